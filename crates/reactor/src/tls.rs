//! TLS: our certificate, read from its files again whenever they change, so that nobody has to restart a telephone to renew it.
//!
//! TLS 1.2 and 1.3 (RFC 5246, RFC 8446) by rustls, for SIP (RFC 3261 section 26.2) and for WebSocket. Connections keep what they were made with;
//! a certificate that cannot be used is refused with its reason, and the one before stays in force.

use model::UnixMillis;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_cert::der::Decode;

/// The largest file that can be a chain, a key or a list of authorities.
const FILE_MAX: u64 = 1024 * 1024;
/// How often the files are looked at. What has changed is taken once it has stayed the same for as long, for a chain and its key are two files.
const LOOK: Duration = Duration::from_secs(10);

/// Where a certificate is kept, as PEM.
#[derive(Clone, Debug)]
pub struct Files {
    /// The chain, our own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities of the phones' certificates. Whoever has none of them gets no connection.
    pub clients: Option<PathBuf>,
}

/// A certificate that can be used.
pub struct Certificate {
    known: Known,
    /// What phones are met with.
    pub(crate) phones: Arc<ServerConfig>,
    /// What browsers are met with: they are asked for no certificate.
    pub(crate) browsers: Arc<ServerConfig>,
    /// When the first of the chain runs out.
    pub(crate) expires: UnixMillis,
}

/// Which files, and what stood in them.
#[derive(Clone)]
pub(crate) struct Known {
    files: Files,
    texts: Texts,
}

/// What stood in the files.
#[derive(Clone, PartialEq, Eq)]
struct Texts {
    certificate: Vec<u8>,
    key: Vec<u8>,
    clients: Option<Vec<u8>>,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// A sentence that names the file, what is wrong with it, and what to do.
    pub fn read(files: Files) -> Result<Certificate, String> {
        let texts = files.texts()?;
        Certificate::of(files, texts)
    }

    pub(crate) fn known(&self) -> Known {
        self.known.clone()
    }

    fn of(files: Files, texts: Texts) -> Result<Certificate, String> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(&files.certificate, &texts.certificate)?;
        let expires = expiry(&files.certificate, &chain)?;
        let key = PrivateKeyDer::from_pem_slice(&texts.key).map_err(|_| {
            format!("{} holds no private key: it begins with -----BEGIN PRIVATE KEY-----, without a password", shown(&files.key))
        })?;
        let both = CertifiedKey::from_der(chain, key, &provider).map_err(|fault| match fault {
            rustls::Error::InconsistentKeys(_) => {
                format!("{} is not the key of {}: the two belong together, replace both", shown(&files.key), shown(&files.certificate))
            }
            fault => format!("{} and {} cannot be used: {fault}", shown(&files.certificate), shown(&files.key)),
        })?;
        let both = Arc::new(SingleCertAndKey::from(both));
        let browsers = builder(&provider)?.with_no_client_auth().with_cert_resolver(Arc::<SingleCertAndKey>::clone(&both));
        let phones = match (&files.clients, &texts.clients) {
            (Some(file), Some(text)) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(file, text)? {
                    roots.add(authority).map_err(|fault| format!("{} holds a certificate that is no authority's: {fault}", shown(file)))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                    .build()
                    .map_err(|fault| format!("{} cannot be used: {fault}", shown(file)))?;
                builder(&provider)?.with_client_cert_verifier(verifier).with_cert_resolver(both)
            }
            (None, _) | (_, None) => browsers.clone(),
        };
        Ok(Certificate { known: Known { files, texts }, phones: Arc::new(phones), browsers: Arc::new(browsers), expires })
    }
}

type Builder = rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>;

fn builder(provider: &Arc<CryptoProvider>) -> Result<Builder, String> {
    ServerConfig::builder_with_provider(Arc::clone(provider)).with_safe_default_protocol_versions().map_err(|fault| fault.to_string())
}

impl Files {
    fn texts(&self) -> Result<Texts, String> {
        let clients = self.clients.as_deref().map(bounded).transpose()?;
        let open = std::fs::metadata(&self.key).is_ok_and(|about| about.permissions().mode() & 0o007 != 0);
        if open {
            return Err(format!("{} can be read by everybody on this machine: chmod o= it, and think of a new key", shown(&self.key)));
        }
        Ok(Texts { certificate: bounded(&self.certificate)?, key: bounded(&self.key)?, clients })
    }
}

fn shown(path: &Path) -> std::path::Display<'_> {
    path.display()
}

/// All of a file that is no larger than such a file can be.
fn bounded(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes));
    match read {
        Ok(length) if length as u64 > FILE_MAX => Err(format!("{} is too large to be a certificate or a key", shown(path))),
        Ok(_) => Ok(bytes),
        Err(fault) => Err(format!("{} cannot be read: {fault}. Put it there, or name another one", shown(path))),
    }
}

/// The certificates of a PEM file: at least one.
fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) | Err(_) => {
            Err(format!("{} holds no certificate: it begins with -----BEGIN CERTIFICATE-----, and is not cut off", shown(path)))
        }
    }
}

/// When the first certificate of a chain runs out that does (RFC 5280 section 4.1.2.5).
fn expiry(path: &Path, chain: &[CertificateDer<'_>]) -> Result<UnixMillis, String> {
    let mut first = i64::MAX;
    for certificate in chain {
        let read = x509_cert::Certificate::from_der(certificate).map_err(|fault| format!("{} cannot be read: {fault}", shown(path)))?;
        let seconds = read.tbs_certificate.validity.not_after.to_unix_duration().as_secs();
        first = first.min(i64::try_from(seconds).unwrap_or(i64::MAX));
    }
    Ok(UnixMillis(first.saturating_mul(1000)))
}

/// What is trusted when we connect to others: the authorities of that file, or those of this machine.
///
/// # Errors
/// A sentence that names what is missing.
pub(crate) async fn client(authorities: Option<PathBuf>) -> Result<Arc<ClientConfig>, String> {
    let read = tokio::task::spawn_blocking(move || {
        let mut roots = RootCertStore::empty();
        match authorities {
            Some(file) => {
                for authority in certificates(&file, &bounded(&file)?)? {
                    roots
                        .add(authority)
                        .map_err(|fault| format!("{} holds a certificate that is no authority's: {fault}", shown(&file)))?;
                }
            }
            // Some of a machine's many may be unreadable; what matters is whether any is there.
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        }
        if roots.is_empty() {
            return Err("this machine trusts no authority: install ca-certificates, or name one with `ca`".to_owned());
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
        let builder = builder.map_err(|fault| fault.to_string())?;
        Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
    });
    read.await.unwrap_or_else(|_| Err("the authorities could not be read".to_owned()))
}

/// Whom we must meet when we connect by TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Met {
    /// The name or the address that must stand in their certificate.
    pub(crate) name: String,
    /// The authorities that count; `None`: those of this machine.
    pub(crate) authorities: Option<PathBuf>,
}

impl Met {
    /// Agrees with them on TLS. The authorities are read each time: a file that is renewed counts at once.
    ///
    /// # Errors
    /// A sentence that says what is wrong with whom.
    pub(crate) async fn meet(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, String> {
        let name =
            ServerName::try_from(self.name.clone()).map_err(|_| format!("\"{}\" is no name that a certificate can have", self.name))?;
        let config = client(self.authorities.clone()).await?;
        TlsConnector::from(config).connect(name, stream).await.map_err(|fault| {
            let what = fault.to_string();
            // A certificate that an authority of the same name has signed has a bad signature.
            let next = if what.contains("UnknownIssuer") || what.contains("BadSignature") {
                ". Name the authority's file with `ca` in config/lines.yaml"
            } else if what.contains("not valid for name") {
                ". Their certificate is for another name: `host` in config/lines.yaml must be the one that it says"
            } else {
                ""
            };
            format!("{what}{next}")
        })
    }
}

/// What a second look at the files brought.
pub(crate) enum Look {
    /// Another certificate, in force from here on.
    Another(Box<Certificate>),
    /// One that cannot be used.
    Refused(String),
}

/// Looks at the files again and again, and at once when `asked`, and tells what has changed. `known` is what is in force.
pub(crate) async fn watch(known: Known, mut asked: mpsc::Receiver<()>, tell: mpsc::Sender<Look>) {
    let Known { files, texts: mut in_force } = known;
    let (mut before, mut complained) = (Ok(in_force.clone()), None);
    loop {
        let at_once = tokio::select! {
            wish = asked.recv() => {
                // The house is closing.
                let Some(()) = wish else { return };
                true
            }
            () = tokio::time::sleep(LOOK) => false,
        };
        let read = {
            let files = files.clone();
            // A disk that hangs keeps no connection waiting.
            tokio::task::spawn_blocking(move || files.texts()).await.unwrap_or_else(|_| Err("the files could not be read".to_owned()))
        };
        let settled = at_once || read == before;
        before = read.clone();
        if !settled {
            continue;
        }
        let judged = match read {
            Ok(texts) if texts == in_force => {
                complained = None;
                continue;
            }
            Ok(texts) => Certificate::of(files.clone(), texts),
            Err(fault) => Err(fault),
        };
        let look = match judged {
            Ok(another) => {
                (in_force, complained) = (another.known.texts.clone(), None);
                Look::Another(Box::new(another))
            }
            // Said once, and again to whoever asks.
            Err(fault) if !at_once && complained.as_ref() == Some(&fault) => continue,
            Err(fault) => {
                complained = Some(fault.clone());
                Look::Refused(fault)
            }
        };
        if tell.send(look).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::streams::{Door, Doors, Ends, News, Order, start};
    use bytes::Bytes;
    use model::{ConnectionEnd, Event, FlowId, Transport};
    use rustls::pki_types::ServerName;
    use rustls::{ClientConnection, StreamOwned, SupportedProtocolVersion};
    use std::io::Write;
    use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
    use std::sync::atomic::{AtomicU32, Ordering};

    const OPTIONS: &str = "OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n";

    /// A folder with a certificate and its key, for `localhost`.
    pub(crate) struct Folder {
        path: PathBuf,
        pub(crate) files: Files,
    }

    impl Folder {
        pub(crate) fn new() -> Folder {
            static MADE: AtomicU32 = AtomicU32::new(0);
            let name = format!("toritsugi-tls-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).unwrap();
            let files = Files { certificate: path.join("chain.pem"), key: path.join("key.pem"), clients: None };
            let folder = Folder { path, files };
            folder.renew();
            folder
        }
        /// Another certificate with another key; the DER of the certificate.
        pub(crate) fn renew(&self) -> Vec<u8> {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            self.write(&made.cert.pem(), &made.signing_key.serialize_pem());
            made.cert.der().to_vec()
        }
        fn write(&self, chain: &str, key: &str) {
            std::fs::write(&self.files.certificate, chain).unwrap();
            std::fs::write(&self.files.key, key).unwrap();
            std::fs::set_permissions(&self.files.key, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        pub(crate) fn certificate(&self) -> Certificate {
            Certificate::read(self.files.clone()).unwrap()
        }
        /// What a phone trusts that trusts nobody but us.
        pub(crate) fn roots(&self) -> RootCertStore {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(&self.files.certificate).unwrap() {
                roots.add(certificate.unwrap()).unwrap();
            }
            roots
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }

    type Phone = StreamOwned<ClientConnection, TcpStream>;

    fn trusting(roots: RootCertStore, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_protocol_versions(versions).unwrap();
        builder.with_root_certificates(roots).with_no_client_auth()
    }
    fn phone(at: SocketAddr, config: ClientConfig) -> Phone {
        let stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
    }
    const BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

    /// The thread with a door for TLS.
    struct House {
        at: SocketAddr,
        ends: Ends,
    }
    impl House {
        fn open(certificate: Certificate) -> House {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let at = listener.local_addr().unwrap();
            let door = Door { transport: Transport::Tls, listener };
            let doors = Doors { doors: vec![door], certificate: Some(certificate), ..Doors::default() };
            let mut house = House { at, ends: start(Clock::start(), doors).unwrap() };
            assert!(matches!(house.news(), News::Note(Event::Certificate { .. })));
            house
        }
        fn news(&mut self) -> News {
            self.ends.news.blocking_recv().unwrap()
        }
        fn opened(&mut self) -> FlowId {
            let News::Opened(flow, _) = self.news() else { panic!("nobody came") };
            flow
        }
        fn closed(&mut self) -> ConnectionEnd {
            let News::Closed(_, why) = self.news() else { panic!("nothing was closed") };
            why
        }
        /// A phone's message comes, and its answer goes back.
        fn talks(&mut self, flow: FlowId, phone: &mut Phone) {
            phone.write_all(format!("\r\n\r\n{OPTIONS}").as_bytes()).unwrap();
            let News::Message(on, _, bytes) = self.news() else { panic!("no message") };
            assert_eq!((on, bytes), (flow, Bytes::from(OPTIONS)));
            let order = Order::Send { flow, to: "127.0.0.1:9".parse().unwrap(), bytes: Bytes::from("yes") };
            assert!(self.ends.orders.try_send(order).is_ok());
            let mut heard = [0; 5];
            phone.read_exact(&mut heard).unwrap();
            assert_eq!(&heard, b"\r\nyes");
        }
    }

    #[test]
    fn phones_speak_both_versions_of_tls_and_are_answered_on_their_connection() {
        let folder = Folder::new();
        let mut house = House::open(folder.certificate());
        for version in BOTH {
            let mut phone = phone(house.at, trusting(folder.roots(), &[version]));
            let flow = house.opened();
            assert_eq!(flow.transport(), Transport::Tls);
            house.talks(flow, &mut phone);
            assert_eq!(phone.conn.protocol_version(), Some(version.version));
            drop(phone);
            assert_eq!(house.closed(), ConnectionEnd::Left);
        }
        // A phone that is gone cannot be called: we have no certificate to expect of it.
        let to = "127.0.0.1:9".parse().unwrap();
        assert!(house.ends.orders.try_send(Order::Send { flow: FlowId::any(Transport::Tls), to, bytes: Bytes::from("hello") }).is_ok());
        assert!(matches!(house.news(), News::Unsent(bytes) if bytes == "hello"));
    }

    #[test]
    fn a_renewed_certificate_meets_newcomers_and_cuts_nobody_off_and_a_bad_one_meets_nobody() {
        let folder = Folder::new();
        let mut house = House::open(folder.certificate());
        let mut first = phone(house.at, trusting(folder.roots(), &BOTH));
        let flow = house.opened();
        house.talks(flow, &mut first);

        let renewed = folder.renew();
        house.ends.reread.blocking_send(()).unwrap();
        assert!(matches!(house.news(), News::Note(Event::Certificate { .. })));
        let mut second = phone(house.at, trusting(folder.roots(), &BOTH));
        let another = house.opened();
        house.talks(another, &mut second);
        assert_eq!(second.conn.peer_certificates().unwrap()[0].as_ref(), renewed);
        house.talks(flow, &mut first);

        let good = folder.roots();
        std::fs::write(&folder.files.certificate, "half a file").unwrap();
        house.ends.reread.blocking_send(()).unwrap();
        assert!(matches!(house.news(), News::Note(Event::CertificateRefused)));
        let mut third = phone(house.at, trusting(good, &BOTH));
        let another = house.opened();
        house.talks(another, &mut third);
    }

    #[test]
    fn a_renewed_certificate_is_found_without_being_told() {
        let folder = Folder::new();
        let mut house = House::open(folder.certificate());
        folder.renew();
        assert!(matches!(house.news(), News::Note(Event::Certificate { .. })));
    }

    #[test]
    fn who_wants_phones_with_certificates_meets_no_others() {
        let mut folder = Folder::new();
        let authority = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = rcgen::CertifiedIssuer::self_signed(params, authority).unwrap();
        let clients = folder.path.join("phones-ca.pem");
        std::fs::write(&clients, issuer.pem()).unwrap();
        folder.files.clients = Some(clients);
        let mut house = House::open(folder.certificate());

        let mut bare = phone(house.at, trusting(folder.roots(), &BOTH));
        house.opened();
        let _ = bare.write_all(OPTIONS.as_bytes());
        assert_eq!(house.closed(), ConnectionEnd::NotAgreed);

        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["phone".to_owned()]).unwrap();
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let theirs = params.signed_by(&key, &issuer).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_protocol_versions(&BOTH).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = builder.with_root_certificates(folder.roots()).with_client_auth_cert(vec![theirs.der().clone()], key).unwrap();
        let mut known = phone(house.at, config);
        let flow = house.opened();
        house.talks(flow, &mut known);
    }

    /// A carrier's door with that certificate, for as many connections as are made; what each of them said first comes out.
    fn carrier(folder: &Folder) -> (SocketAddr, std::sync::mpsc::Receiver<String>, Arc<AtomicU32>) {
        carrier_at(Ipv4Addr::LOCALHOST, folder)
    }
    fn carrier_at(ip: Ipv4Addr, folder: &Folder) -> (SocketAddr, std::sync::mpsc::Receiver<String>, Arc<AtomicU32>) {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let (at, config) = (listener.local_addr().unwrap(), folder.certificate().phones);
        let (tell, said) = std::sync::mpsc::channel();
        let came = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&came);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::Relaxed);
                let (config, tell) = (Arc::clone(&config), tell.clone());
                std::thread::spawn(move || {
                    let mut stream = StreamOwned::new(rustls::ServerConnection::new(config).unwrap(), stream.unwrap());
                    let mut buffer = [0; 1024];
                    while let Ok(length) = stream.read(&mut buffer) {
                        if length == 0 || tell.send(String::from_utf8_lossy(&buffer[..length]).into_owned()).is_err() {
                            return;
                        }
                        stream.write_all(OPTIONS.as_bytes()).unwrap();
                        stream.flush().unwrap();
                    }
                });
            }
        });
        (at, said, came)
    }

    impl House {
        fn trusts(&self, at: SocketAddr, name: &str, authorities: &Path) {
            let met = Met { name: name.to_owned(), authorities: Some(authorities.to_owned()) };
            assert!(self.ends.orders.try_send(Order::Trust([(at, met)].into())).is_ok());
        }
        fn calls(&self, flow: FlowId, to: SocketAddr, text: &'static str) {
            assert!(self.ends.orders.try_send(Order::Send { flow, to, bytes: Bytes::from(text) }).is_ok());
        }
    }

    const ANY: FlowId = FlowId(1 << 48 | 1);

    #[test]
    fn a_carrier_is_called_by_tls_when_its_certificate_is_the_right_one_and_the_connection_is_used_again() {
        assert_eq!(ANY, FlowId::any(Transport::Tls));
        let (ours, theirs) = (Folder::new(), Folder::new());
        let mut house = House::open(ours.certificate());
        let (at, said, came) = carrier(&theirs);
        house.trusts(at, "localhost", &theirs.files.certificate);
        house.calls(ANY, at, "one");
        assert_eq!(said.recv().unwrap(), "one");
        let News::Message(flow, from, bytes) = house.news() else { panic!("no answer") };
        assert_eq!((flow.transport(), from, bytes), (Transport::Tls, at, Bytes::from(OPTIONS)));
        // By its id, by its address, and at another port of the same host, where nobody else is known.
        house.calls(flow, at, "two");
        assert_eq!(said.recv().unwrap(), "two");
        house.calls(ANY, at, "three");
        assert_eq!(said.recv().unwrap(), "three");
        house.calls(FlowId::connection(Transport::Tls, 99), SocketAddr::new(at.ip(), 1), "four");
        assert_eq!(said.recv().unwrap(), "four");
        assert_eq!(came.load(Ordering::Relaxed), 1);
        // Its other machine stays in between and is called where it says; whom we do not know is behind the connection that there is.
        let (other, said_there, _) = carrier_at(Ipv4Addr::new(127, 0, 0, 2), &theirs);
        house.trusts(other, "localhost", &theirs.files.certificate);
        house.calls(flow, other, "five");
        assert_eq!(said_there.recv().unwrap(), "five");
        house.calls(flow, "127.0.0.3:5061".parse().unwrap(), "six");
        assert_eq!(said.recv().unwrap(), "six");
    }

    #[test]
    fn a_carrier_with_another_name_or_another_authority_hears_nothing() {
        let (ours, theirs) = (Folder::new(), Folder::new());
        let mut house = House::open(ours.certificate());
        let (at, said, _) = carrier(&theirs);
        for (name, authorities) in [("sip.carrier.example", &theirs), ("127.0.0.1", &theirs), ("localhost", &ours)] {
            house.trusts(at, name, &authorities.files.certificate);
            house.calls(ANY, at, "secret");
            assert!(matches!(house.news(), News::Unsent(bytes) if bytes == "secret"), "{name}");
            assert_eq!(house.closed(), ConnectionEnd::NotAgreed);
        }
        let met = Met { name: "localhost".to_owned(), authorities: Some(ours.files.certificate.clone()) };
        let stream = async { tokio::net::TcpStream::connect(at).await.unwrap() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let why = runtime.block_on(async { met.meet(stream.await).await }).unwrap_err();
        assert!(why.contains("Name the authority's file with `ca`"), "{why}");
        let met = Met { name: "sip.carrier.example".to_owned(), authorities: Some(theirs.files.certificate.clone()) };
        let stream = async { tokio::net::TcpStream::connect(at).await.unwrap() };
        let why = runtime.block_on(async { met.meet(stream.await).await }).unwrap_err();
        assert!(why.contains("must be the one that it says"), "{why}");
        assert!(said.try_recv().is_err());
        // Nobody is called of whom nothing is known.
        assert!(house.ends.orders.try_send(Order::Trust([].into())).is_ok());
        house.calls(ANY, at, "secret");
        assert!(matches!(house.news(), News::Unsent(_)));
    }

    #[test]
    fn who_comes_from_a_carrier_s_address_is_not_the_carrier() {
        let (ours, theirs) = (Folder::new(), Folder::new());
        let mut house = House::open(ours.certificate());
        let at = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        house.trusts(at, "localhost", &theirs.files.certificate);
        // The order has been taken once an answer to the next one is there.
        house.calls(FlowId::any(Transport::Ws), at, "x");
        assert!(matches!(house.news(), News::Unsent(_)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            socket.bind(at).unwrap();
            socket.connect(house.at).await.unwrap().into_std().unwrap()
        });
        stream.set_nonblocking(false).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let config = Arc::new(trusting(ours.roots(), &BOTH));
        let mut intruder = StreamOwned::new(ClientConnection::new(config, name).unwrap(), stream);
        let flow = house.opened();
        house.talks(flow, &mut intruder);
        house.calls(ANY, at, "secret");
        assert!(matches!(house.news(), News::Unsent(bytes) if bytes == "secret"));
    }

    #[test]
    fn who_speaks_no_tls_or_nothing_at_all_is_closed() {
        let folder = Folder::new();
        let mut house = House::open(folder.certificate());
        let silent = TcpStream::connect(house.at).unwrap();
        house.opened();
        let mut plain = TcpStream::connect(house.at).unwrap();
        house.opened();
        plain.write_all(OPTIONS.as_bytes()).unwrap();
        assert_eq!(house.closed(), ConnectionEnd::NotAgreed);
        assert_eq!(house.closed(), ConnectionEnd::Slow);
        drop(silent);
    }

    #[test]
    fn a_stranger_is_sent_away_before_anything_is_agreed_on() {
        let folder = Folder::new();
        let mut house = House::open(folder.certificate());
        let stranger = TcpStream::connect(house.at).unwrap();
        let flow = house.opened();
        assert!(house.ends.orders.try_send(Order::Close(flow)).is_ok());
        assert_eq!(house.closed(), ConnectionEnd::Refused);
        drop(stranger);
    }

    #[test]
    fn files_that_cannot_be_used_are_named_with_what_to_do() {
        let folder = Folder::new();
        let fault = || Certificate::read(folder.files.clone()).err().unwrap();
        let [chain, key] = [&folder.files.certificate, &folder.files.key];
        let right = std::fs::read_to_string(chain).unwrap();
        let other = Folder::new();
        std::fs::copy(&other.files.certificate, chain).unwrap();
        assert_eq!(fault(), format!("{} is not the key of {}: the two belong together, replace both", key.display(), chain.display()));
        std::fs::write(chain, right.lines().take(3).collect::<Vec<_>>().join("\n")).unwrap();
        assert!(fault().starts_with(&format!("{} holds no certificate", chain.display())), "{}", fault());
        std::fs::copy(key, chain).unwrap();
        assert!(fault().starts_with(&format!("{} holds no certificate", chain.display())), "{}", fault());
        std::fs::write(chain, &right).unwrap();
        std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(fault().contains("can be read by everybody on this machine: chmod o="), "{}", fault());
        std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::fs::write(key, &right).unwrap();
        assert!(fault().starts_with(&format!("{} holds no private key", key.display())), "{}", fault());
        std::fs::remove_file(key).unwrap();
        assert!(fault().starts_with(&format!("{} cannot be read: ", key.display())) && fault().contains("Put it there"), "{}", fault());
    }

    #[test]
    fn a_certificate_says_when_it_runs_out() {
        let folder = Folder::new();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2033, 5, 18);
        folder.write(&params.self_signed(&key).unwrap().pem(), &key.serialize_pem());
        assert_eq!(folder.certificate().expires, UnixMillis(1_999_987_200_000));
    }
}
