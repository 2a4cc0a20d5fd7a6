"""A browser's phone: JsSIP in headless Chromium, on a page of our own that obeys and tells.

JsSIP comes from the npm registry as CommonJS; the page gets its modules wrapped, so that no bundler is needed. The page asks for its next
command over HTTP and posts what happens. Chromium's `--ignore-certificate-errors` stands for a certificate that browsers trust.
"""

import json
import pathlib
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from phones import HOST

PAGE = """<!doctype html><meta charset="utf-8"><script src="/jssip.js"></script><script>
const say = (what, more) => fetch('/said', { method: 'POST', body: JSON.stringify({ what, ...more }) });
let ua, session;
const deeds = {
    start({ url, user, password }) {
        const sockets = [new JsSIP.WebSocketInterface(url)];
        ua = new JsSIP.UA({ sockets, uri: `sip:${user}@HOST`, password, register_expires: 60, session_timers: false });
        for (const what of ['connected', 'disconnected', 'registered', 'unregistered', 'registrationFailed'])
            ua.on(what, event => say(what, { cause: event.cause }));
        ua.on('newRTCSession', event => {
            if (event.originator != 'remote') return;
            session = event.session;
            session.on('failed', end => say('failed', { cause: end.cause, by: end.originator }));
            const { ruri, call_id } = event.request;
            say('invite', { uri: ruri.toString(), via: event.request.getHeader('via'), contact: event.request.getHeader('contact'), call_id });
        });
        ua.start();
    },
    options({ target }) {
        ua.sendOptions(target, '', { eventHandlers: {
            succeeded: event => say('options', { status: event.response.status_code }), failed: event => say('options', { cause: event.cause }) } });
    },
    answer() { session.answer({ mediaConstraints: { audio: true, video: false } }); },
    unregister() { ua.unregister(); },
    stop() { ua.stop(); },
};
(async () => {
    say('loaded');
    for (;;) {
        const command = await (await fetch('/next')).json();
        if (command.deed) deeds[command.deed](command);
    }
})();
</script>"""

LOADER = """const process = { env: {} }, defined = {}, loaded = {};
const load = (name, from) => {
    const module = loaded[name] || (loaded[name] = { exports: {} });
    if (!module.begun) { module.begun = true; defined[name](path => load(resolve(name, path)), module, module.exports); }
    return module.exports;
};
const resolve = (from, path) => {
    if (!path.startsWith('.')) return mains[path];
    const parts = from.split('/').slice(0, -1);
    for (const part of path.split('/')) if (part == '..') parts.pop(); else if (part != '.') parts.push(part);
    const name = parts.join('/');
    return [name, name + '.js', name + '/index.js'].find(name => name in defined);
};
"""


def bundle(modules):
    """All of JsSIP and what it needs, as one script; `modules` is the node_modules folder of npm."""
    mains, pieces = {}, []
    for package in sorted(modules.glob("*/package.json")):
        about = json.loads(package.read_text())
        main = about["browser"] if isinstance(about.get("browser"), str) else about.get("main", "index.js")
        path = (package.parent / main).resolve()
        path = path if path.is_file() else path.with_name(path.name + ".js") if path.with_name(path.name + ".js").is_file() else path / "index.js"
        mains[about["name"]] = path.relative_to(modules.resolve()).as_posix()
        pieces.append(f"defined[{json.dumps(package.relative_to(modules).as_posix())}] = (require, module) => {{ module.exports = {json.dumps(about)}; }};")
        for file in sorted(package.parent.rglob("*.js")):
            name = json.dumps(file.relative_to(modules).as_posix())
            text = file.read_text()
            if not text.startswith("#!"):
                pieces.append(f"defined[{name}] = (require, module, exports) => {{ {text}\n}};")
    return f"(() => {{ const mains = {json.dumps(mains)};\n{LOADER}\n{chr(10).join(pieces)}\nwindow.JsSIP = load(mains.jssip); }})();"


class Browser:
    """A page in Chromium with JsSIP on it."""

    def __init__(self, stage, modules, port):
        self.stage, self.said, self._commands = stage, [], queue.Queue()
        page, script = PAGE.replace("HOST", HOST), bundle(pathlib.Path(modules))
        outer = self

        class Door(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def answer(self, kind, text):
                body = text.encode()
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                try:
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # Chromium has ended meanwhile

            def do_GET(self):
                if self.path == "/jssip.js":
                    return self.answer("text/javascript; charset=utf-8", script)
                if self.path != "/next":
                    return self.answer("text/html; charset=utf-8", page)
                try:
                    command = outer._commands.get(timeout=20)
                except queue.Empty:
                    command = {}
                return self.answer("application/json", json.dumps(command))

            def do_POST(self):
                outer.said.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.answer("application/json", "{}")

        self._server = ThreadingHTTPServer((HOST, port), Door)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors", "--no-first-run"]
        flags += ["--disable-background-networking", "--disable-component-update", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        flags += ["--enable-logging=stderr", f"--user-data-dir={stage.folder / 'chromium'}"]
        self.process = stage.start("chromium", ["chromium", *flags, f"http://{HOST}:{port}/"])
        self.wait("loaded", 40)

    def do(self, deed, **more):
        self._commands.put({"deed": deed, **more})

    def wait(self, what, seconds):
        """The next thing of that kind that the page tells; it is told once."""
        found = self.stage.wait(f"the page says {what}; it said {self.said}", seconds, lambda: [event for event in self.said if event["what"] == what])[0]
        self.said.remove(found)
        return found

    def end(self):
        status = self.stage.end(self.process, 10)
        self._server.shutdown()
        return status
