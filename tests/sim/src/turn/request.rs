//! The way of a request: faults, credentials, unknown attributes, its method, its response.

use libstun::FiveTuple;
use libstun::wire::attribute::AttributeType;
use libstun::wire::{Class, Key, Message, Method};

use super::config::{Fault, Mobility};
use super::credentials::{self, Caller};
use super::record::Asked;
use super::reply::{Extra, Handled, Refusal, Reply, Seal};
use super::{Output, TurnServer};

impl TurnServer {
    pub(super) fn handle_message(&mut self, path: FiveTuple, message: &Message<'_>) {
        match message.class() {
            Class::Request => self.handle_request(path, message),
            Class::Indication if message.method() == Method::SEND => self.handle_send(path, message),
            // Binding indications keep NATs awake and want nothing (RFC 8489 s6.3.2).
            Class::Indication if message.method() == Method::BINDING => {}
            _ => self.record.drops.malformed += 1,
        }
    }

    fn handle_request(&mut self, path: FiveTuple, message: &Message<'_>) {
        let early = self.take_fault(message.method(), |fault| fault.is_early());
        match early {
            Some(Fault::LoseRequest) => return self.note(path, message, 0),
            Some(Fault::UnsignedError(code)) => {
                let extras = self.error_extras(path, code);
                return self.respond(path, message, Err(Refusal { code, extras }), None, None);
            }
            _ => {}
        }
        if message.method() == Method::BINDING {
            return self.respond(path, message, Ok(vec![Extra::Mapped(path.remote)]), None, None);
        }
        let (config, nonces, now) = (&self.config, self.nonces, self.now);
        match credentials::identify(config, nonces, message, path, now) {
            Err(refusal) => {
                if refusal.code == 400 {
                    self.record.refused(message.method(), "credentials without what must go with them");
                }
                let fault = self.take_fault(message.method(), Fault::strikes_challenges);
                self.respond(path, message, Err(refusal), None, fault);
            }
            Ok(caller) if !credentials::has_valid_nonce(config, nonces, message, path, now) => {
                let refusal = Refusal { code: 438, extras: self.error_extras(path, 438) };
                let seal = caller.seal.filter(|_| self.config.signs_stale_nonces);
                let fault = self.take_fault(message.method(), Fault::strikes_challenges);
                self.respond(path, message, Err(refusal), seal, fault);
            }
            Ok(caller) => self.handle_authenticated(path, message, &caller),
        }
    }

    fn handle_authenticated(&mut self, path: FiveTuple, message: &Message<'_>, caller: &Caller) {
        let fault = self.take_fault(message.method(), |fault| !fault.is_early());
        let handled = if let Some(Fault::Error(code)) = fault {
            Err(Refusal { code, extras: self.error_extras(path, code) })
        } else if let Some(Fault::ErrorWithoutCode) = fault {
            Err(Refusal::from(500))
        } else {
            self.dispatch(path, message, caller)
        };
        let is_unsigned =
            handled.as_ref().is_err_and(|refusal| self.config.unsigned_codes.contains(&refusal.code));
        let seal = caller.seal.clone().filter(|_| !is_unsigned);
        self.respond(path, message, handled, seal, fault);
    }

    fn dispatch(&mut self, path: FiveTuple, message: &Message<'_>, caller: &Caller) -> Handled {
        let unknown = self.unknown_attributes(message);
        if !unknown.is_empty() {
            return Err(Refusal { code: 420, extras: vec![Extra::Unknown(unknown)] });
        }
        let noted = self.record.violations.len();
        let handled = match message.method() {
            Method::ALLOCATE => self.allocate(path, message, caller),
            Method::REFRESH => self.refresh(path, message, caller),
            Method::CREATE_PERMISSION => self.create_permission(path, message, caller),
            Method::CHANNEL_BIND => self.channel_bind(path, message, caller),
            Method::CONNECT => self.connect(path, message, caller),
            Method::CONNECTION_BIND => self.connection_bind(path, message, caller),
            _ => Err(Refusal::from(400)),
        };
        let is_bad = handled.as_ref().is_err_and(|refusal| refusal.code == 400);
        if is_bad && self.record.violations.len() == noted {
            self.record.refused(message.method(), "the server had to answer 400");
        }
        handled
    }

    /// The client's allocation, if it has one and is who made it (RFC 8656 s5).
    pub(super) fn owned(&self, path: FiveTuple, caller: &Caller) -> Result<usize, Refusal> {
        let position = self.position(path).ok_or(437)?;
        let is_theirs =
            self.allocations.get(position).is_some_and(|allocation| allocation.username == caller.username);
        if is_theirs { Ok(position) } else { Err(Refusal::from(441)) }
    }

    /// The comprehension-required attributes that a request must not have (RFC 8489 s6.3.1).
    pub(super) fn unknown_attributes(&self, message: &Message<'_>) -> Vec<AttributeType> {
        let is_known = |ty: AttributeType| KNOWN.contains(&ty) && !self.does_not_know(ty);
        let required = message.covered().map(|raw| raw.ty).filter(|ty| ty.is_comprehension_required());
        required.filter(|ty| !is_known(*ty)).collect()
    }

    /// Whether that attribute was switched off.
    pub(super) fn does_not_know(&self, ty: AttributeType) -> bool {
        let no_mobility = ty == AttributeType::MOBILITY_TICKET && self.config.mobility == Mobility::Unknown;
        no_mobility || self.config.unknown_attributes.contains(&ty)
    }

    /// What an error on demand carries, so that a client can act on it.
    fn error_extras(&self, path: FiveTuple, code: u16) -> Vec<Extra> {
        match code {
            300 => self.config.redirect.map(Extra::Alternate).into_iter().collect(),
            401 | 438 => {
                let nonce = self.nonces.issue(&self.config, path.remote, self.now);
                credentials::challenge(&self.config, nonce)
            }
            _ => Vec::new(),
        }
    }

    /// The first fault that waits for that method and is of that kind.
    fn take_fault(&mut self, method: Method, is_wanted: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let fits = self.faults.iter_mut().find(|pending| {
            pending.times > 0
                && pending.method.is_none_or(|wanted| wanted == method)
                && is_wanted(&pending.fault)
        })?;
        fits.times -= 1;
        let fault = fits.fault.clone();
        self.faults.retain(|pending| pending.times > 0);
        Some(fault)
    }

    fn respond(
        &mut self,
        path: FiveTuple,
        message: &Message<'_>,
        handled: Handled,
        seal: Option<Seal>,
        fault: Option<Fault>,
    ) {
        let (class, extras) = match handled {
            Ok(extras) => (Class::SuccessResponse, extras),
            Err(refusal) => {
                (Class::ErrorResponse, [vec![Extra::Code(refusal.code)], refusal.extras].concat())
            }
        };
        let (method, id) = (message.method(), message.transaction_id());
        let has_fingerprint = self.config.has_fingerprint;
        let mut reply = Reply { class, method, id, extras, seal, has_fingerprint };
        self.note(path, message, reply.code());
        self.remember(path, &reply);
        let copies = match fault {
            Some(Fault::LoseResponse) => 0,
            Some(Fault::Duplicate) => 2,
            Some(fault) => {
                spoil(&mut reply, &fault);
                1
            }
            None => 1,
        };
        for _ in 0..copies {
            self.outputs.push_back(Output::ToClient { path, payload: reply.encode() });
        }
        self.flush(path);
    }

    fn note(&mut self, path: FiveTuple, message: &Message<'_>, code: u16) {
        use libstun::wire::IntegrityAlgorithm::{Sha1, Sha256};
        let is_signed = message.has_integrity(Sha1) || message.has_integrity(Sha256);
        let (method, id) = (message.method(), message.transaction_id());
        self.record.asked.push(Asked { at: self.now, path, method, id, is_signed, code });
    }

    /// Keeps the answer to the request that made an allocation, for its retransmissions (RFC 8656 s7.2).
    fn remember(&mut self, path: FiveTuple, reply: &Reply) {
        let is_new = reply.method == Method::ALLOCATE && reply.class == Class::SuccessResponse;
        let Some(position) = self.position(path).filter(|_| is_new) else { return };
        if let Some(allocation) = self.allocations.get_mut(position) {
            allocation.created_with.get_or_insert_with(|| reply.clone());
        }
    }
}

/// Makes a response as wrong as the fault says.
fn spoil(reply: &mut Reply, fault: &Fault) {
    let is_success = reply.class == Class::SuccessResponse;
    match fault {
        Fault::ErrorWithoutCode => reply.extras.retain(|extra| extra.ty() != AttributeType::ERROR_CODE),
        Fault::Omit(ty) => reply.extras.retain(|extra| extra.ty() != *ty),
        Fault::WrongKey => {
            if let Some(seal) = &mut reply.seal {
                seal.key = Key::short_term(b"not the password");
            }
        }
        Fault::Unsigned => reply.seal = None,
        Fault::Lifetime(_) | Fault::Relayed(_) | Fault::Mapped(_) if is_success => {
            reply.extras.iter_mut().for_each(|extra| match (extra, fault) {
                (Extra::Lifetime(said), Fault::Lifetime(false_one)) => *said = *false_one,
                (Extra::Relayed(said), Fault::Relayed(false_one))
                | (Extra::Mapped(said), Fault::Mapped(false_one)) => *said = *false_one,
                _ => {}
            });
        }
        _ => {}
    }
}

/// The comprehension-required attributes that a TURN server knows.
const KNOWN: [AttributeType; 18] = [
    AttributeType::USERNAME,
    AttributeType::USERHASH,
    AttributeType::REALM,
    AttributeType::NONCE,
    AttributeType::MESSAGE_INTEGRITY,
    AttributeType::MESSAGE_INTEGRITY_SHA256,
    AttributeType::PASSWORD_ALGORITHM,
    AttributeType::CHANNEL_NUMBER,
    AttributeType::LIFETIME,
    AttributeType::XOR_PEER_ADDRESS,
    AttributeType::DATA,
    AttributeType::REQUESTED_ADDRESS_FAMILY,
    AttributeType::EVEN_PORT,
    AttributeType::REQUESTED_TRANSPORT,
    AttributeType::DONT_FRAGMENT,
    AttributeType::RESERVATION_TOKEN,
    AttributeType::CONNECTION_ID,
    AttributeType::XOR_MAPPED_ADDRESS,
];
