//! What a leg and its phone agree on, at the beginning and later: who offers, who answers, and who is put on hold.
//!
//! Offer and answer are RFC 3264's, their place in SIP RFC 3261 sections 13.2.1 and 14 and RFC 3311. A phone that holds is one that wants
//! nothing sent to it: `sendonly`, `inactive`, or the old `c=0.0.0.0` (RFC 3264 section 8.4). Whoever is alone with an agent who holds hears
//! music until the agent is back, never silence. That no sound comes from a phone that holds ends no call: once a round it is asked whether
//! it is there.

use crate::call::{Call, Leg, Reached, Sound, Stage};
use crate::engine::Engine;
use crate::legs::far;
use bytes::Bytes;
use flow::Spoken;
use media::{Command as Media, OnKey};
use model::{Codec, DialogId, Lang, LegId, Now, PlayId, Seq, TransferKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The language of music, as `flow` asks for it.
const MUSIC: &str = "music";

/// What has become of a leg's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Terms {
    /// They stand, as they were or changed.
    Stand,
    /// Our offer was not answered, or in a way that is of no use: nobody can be heard, the leg must end (RFC 6337 section 3.1.2).
    Broken,
}

/// Our hold music in somebody's ear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HoldMusic {
    leg: LegId,
    play: PlayId,
}

impl Engine {
    /// Our first description on a leg: the answer to the phone's offer with what it settles, or our offer where it has made none.
    ///
    /// # Errors
    /// When the offer is of no use.
    pub(crate) fn first_terms(&self, leg: &Leg, offer: Option<&sdp::Description>) -> Result<(Bytes, Option<sdp::Agreed>), sdp::Refusal> {
        // A carrier that takes one codec only does so whoever calls.
        let trunk = leg.peer.and_then(|peer| self.line_of(peer)).and_then(|line| line.trunk.as_ref());
        let codecs = trunk.map_or_else(|| Codec::ALL.to_vec(), |trunk| trunk.profile.codecs());
        let ours = self.capabilities(leg, codecs);
        match offer {
            Some(offer) => match sdp::answer(offer, &ours)? {
                answer if !self.may_be_heard_there(leg, &answer.agreed) => Err(sdp::Refusal::Ours),
                answer => Ok((answer.sdp, Some(answer.agreed))),
            },
            None => Ok((sdp::offer(&ours), None)),
        }
    }

    /// Whether sound may go where these terms want it.
    pub(crate) fn may_be_heard_there(&self, leg: &Leg, agreed: &sdp::Agreed) -> bool {
        let peer = leg.peer.or_else(|| self.sip.dialog(leg.dialog).map(|dialog| dialog.peer.ip()));
        let far = far(*agreed, leg);
        peer.is_none_or(|peer| self.may_send_sound(peer, far.remote, far.remote_rtcp))
    }

    /// From here on the leg's sound goes as was agreed.
    pub(crate) fn connect(&mut self, after: Seq, leg: &mut Leg, agreed: sdp::Agreed) {
        leg.codec = Some(agreed.codec);
        leg.held = !agreed.we_send;
        self.media(after, leg.id, Media::Connect(far(agreed, leg)));
    }

    /// Whoever's leg it is: the sound comes from there, if it came from where it was.
    pub(crate) fn follow_sound(&mut self, after: Seq, leg: LegId, from: IpAddr, to: IpAddr) {
        let at = SocketAddr::new(to, 0);
        if self.may_send_sound(to, at, at) {
            self.media(after, leg, Media::Follow { from, to });
        }
    }

    /// The phone wants other terms, or answers ours: [`sip::Event::Reoffer`] and [`sip::Event::AnswerCame`].
    pub(crate) fn handle_terms(&mut self, now: Now, after: Seq, leg: &mut Leg, event: &sip::Event) -> Terms {
        match event {
            sip::Event::Reoffer { offer, from, .. } => {
                self.reoffer(now, after, leg, offer.as_deref(), *from);
                Terms::Stand
            }
            sip::Event::AnswerCame { answer, .. } => {
                // A phone that has moved speaks from where it is now.
                if let (Some(peer), Some(state)) = (&mut leg.peer, self.sip.dialog(leg.dialog)) {
                    *peer = state.peer.ip();
                }
                self.answer_came(after, leg, answer.as_deref())
            }
            _ => Terms::Stand,
        }
    }

    /// Other terms in a running dialog (RFC 3264 section 8), of a phone that is at `from` now. What is of no use is refused, and the old terms stay.
    fn reoffer(&mut self, now: Now, after: Seq, leg: &mut Leg, offer: Option<&[u8]>, from: IpAddr) {
        let (dialog, peer) = (leg.dialog, leg.peer);
        leg.peer = peer.map(|_| from);
        let before = self.version_said(leg);
        leg.version = before + 1;
        let ours = self.capabilities(leg, codecs(leg));
        let command = match offer.map(|offer| sdp::parse(offer).and_then(|offer| sdp::answer(&offer, &ours))) {
            // RFC 6337 section 5.3: who asks for our offer gets one for sound both ways, also while they hold us.
            None => sip::Command::AnswerReoffer { dialog, sdp: self.as_said(leg, before, sdp::offer(&ours)) },
            Some(Ok(answer)) if self.may_be_heard_there(leg, &answer.agreed) => {
                // That it is elsewhere is known before what it says from there, as it is where a REGISTER has told it.
                let was = self.sip.dialog(dialog).map(|state| state.peer.ip().to_canonical());
                if let Some(was) = was.filter(|was| *was != from) {
                    self.follow_sound(after, leg.id, was, from);
                }
                self.connect(after, leg, answer.agreed);
                sip::Command::AnswerReoffer { dialog, sdp: self.as_said(leg, before, answer.sdp) }
            }
            Some(_) => {
                (leg.version, leg.peer) = (before, peer);
                sip::Command::RefuseReoffer { dialog, status: 488 }
            }
        };
        self.sip.handle_command(now, command);
    }

    /// What we say of the session: what we have said last, if it is that but for its version (RFC 3264 section 8: the version grows by one with each
    /// change, and with nothing else).
    fn as_said(&self, leg: &mut Leg, before: u64, sdp: Bytes) -> Bytes {
        match self.sip.said(leg.dialog).filter(|said| content(said).eq(content(&sdp))) {
            Some(said) => {
                leg.version = before;
                said
            }
            None => sdp,
        }
    }

    /// The version of what we have said last: a refresh may have said more than we have told SIP to.
    fn version_said(&self, leg: &Leg) -> u64 {
        let version = |said: &Bytes| {
            let origin = said.split(|b| *b == b'\n').find(|line| line.starts_with(b"o="))?;
            std::str::from_utf8(origin.split(|b| *b == b' ').nth(2)?).ok()?.parse().ok()
        };
        self.sip.said(leg.dialog).as_ref().and_then(version).unwrap_or(leg.version)
    }

    /// Our offer is answered. From here on we speak of the one codec that was chosen.
    pub(crate) fn settle(&mut self, leg: &Leg) {
        let version = self.version_said(leg) + 1;
        let sdp = sdp::offer(&sdp::Capabilities { version, ..self.capabilities(leg, codecs(leg)) });
        if self.sip.said(leg.dialog).is_some_and(|said| content(&said).ne(content(&sdp))) {
            self.sip.settle(leg.dialog, sdp);
        }
    }

    fn answer_came(&mut self, after: Seq, leg: &mut Leg, answer: Option<&[u8]>) -> Terms {
        let first = leg.codec.is_none();
        let ours = self.capabilities(leg, codecs(leg));
        let agreed = answer.and_then(|answer| sdp::parse(answer).ok()).and_then(|answer| sdp::accept(&answer, &ours).ok());
        match agreed.filter(|agreed| self.may_be_heard_there(leg, agreed)) {
            Some(agreed) => {
                self.connect(after, leg, agreed);
                if first {
                    self.settle(leg);
                }
                Terms::Stand
            }
            None => Terms::Broken,
        }
    }

    /// Hold music begins and ends as the agent's hold does, whatever else has happened in between. Asked after everything that happens to a call.
    pub(crate) fn mind_hold(&mut self, call: &mut Call) {
        let mut wanted = hears_hold(call);
        // What plays still; the caller's may have given way to something else.
        let (caller, playing) = (call.leg.id, call.sound.play());
        let before = std::mem::take(&mut call.hold_music);
        for music in before.into_iter().filter(|music| music.leg != caller || playing == Some(music.play)) {
            if wanted.contains(&music.leg) {
                wanted.retain(|leg| *leg != music.leg);
                call.hold_music.push(music);
            } else if music.leg == call.leg.id {
                self.hush(call);
            } else {
                self.media(call.after, music.leg, Media::Stop(music.play));
            }
        }
        for leg in wanted {
            let music = music_of(call).and_then(|music| call.city.clips.get(&music));
            let clip = Arc::clone(music.unwrap_or(&self.tones.hold));
            let play = self.play_hold(call.after, leg, clip);
            if leg == call.leg.id {
                call.sound = Sound::Music(play);
            }
            call.hold_music.push(HoldMusic { leg, play });
        }
    }

    /// Plays what somebody hears who is held.
    fn play_hold(&mut self, after: Seq, leg: LegId, clip: Arc<media::Clip>) -> PlayId {
        let id = self.next_play();
        self.media(after, leg, Media::Play { id, clips: vec![clip], on_key: OnKey::Ignore, repeat: true });
        id
    }

    /// Who is held sends no sound that could be missed, so nobody would notice that the phone is gone: it is asked once a round.
    pub(crate) fn ask_held(&mut self, now: Now) {
        let sides = self.calls.values().flat_map(|call| {
            let agent = call.agent_side().map(|side| &side.leg);
            let outside = call.called().map(|called| &called.outside.leg);
            let second = call.consult.as_ref().map(|consult| &consult.leg);
            [Some(&call.leg), agent, outside, second]
        });
        let held: Vec<DialogId> = sides.flatten().filter(|leg| leg.held).map(|leg| leg.dialog).collect();
        for dialog in held {
            self.sip.handle_command(now, sip::Command::Probe { dialog });
        }
    }
}

/// The lines of a description but for its version.
fn content(sdp: &[u8]) -> impl Iterator<Item = &[u8]> {
    sdp.split(|b| *b == b'\n').filter(|line| !line.starts_with(b"o="))
}

/// The codecs of a leg: once one is agreed it stays, since what plays and what is bridged was made for it.
fn codecs(leg: &Leg) -> Vec<Codec> {
    leg.codec.map_or_else(|| Codec::ALL.to_vec(), |codec| vec![codec])
}

/// What a caller hears while somebody is away: the music that the flow asked for last; for whoever was answered before there was any, the city's first.
pub(crate) fn music_of(call: &Call) -> Option<Spoken> {
    let first = || Some(Spoken { prompt: call.city.book.music.first()?.clone(), lang: Lang::from(MUSIC), value: None });
    call.music.clone().or_else(first)
}

/// Who is alone with an agent who holds.
fn hears_hold(call: &Call) -> Vec<LegId> {
    let caller = |holds: bool| holds.then_some(call.leg.id);
    match (&call.stage, &call.consult) {
        (Stage::Talking(_, side, _), _) => caller(side.leg.held).into_iter().collect(),
        // Two calls of one phone: the agent holds the one or the other, or both.
        (Stage::Consulting(_, side, _, called), Some(consult)) => {
            let ward = (consult.leg.held && called.reached == Reached::Private).then_some(called.outside.leg.id);
            caller(side.leg.held).into_iter().chain(ward).collect()
        }
        (Stage::Consulting(_, side, _, called), None) if side.leg.held => match (called.reached, called.kind) {
            (Reached::Private, _) => vec![called.outside.leg.id],
            // Caller and agent talk still.
            (Reached::Calling | Reached::Briefed, TransferKind::ThreeWay) => vec![call.leg.id],
            // The caller has music of their own, or whoever was asked in.
            (Reached::Calling | Reached::Briefed | Reached::Joined(_), _) => Vec::new(),
        },
        (
            Stage::Opening(_)
            | Stage::Answering
            | Stage::Menu
            | Stage::Waiting(_)
            | Stage::Ringing(..)
            | Stage::Whispering(..)
            | Stage::Consulting(..)
            | Stage::Through(..)
            | Stage::Over,
            _,
        ) => Vec::new(),
    }
}
