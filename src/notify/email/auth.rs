//! Logging in (RFC 4954): PLAIN, LOGIN, CRAM-MD5, XOAUTH2.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use botwatch_core::model::Secret;

use super::{
    Error,
    message::hex,
    smtp::{Dialogue, Reply},
};
use crate::notify::EmailAuth;

const STEP: &str = "the log-in";
/// Prompts that LOGIN may bring.
const PROMPTS_MAX: usize = 3;

/// A way to log in, with what it needs.
pub(super) enum Credentials {
    Plain { identity: String, username: String, password: Secret },
    Login { username: String, password: Secret },
    CramMd5 { username: String, secret: Secret },
    XOAuth2 { username: String, token: Secret },
}

/// The first mechanism that the server offers and that we have the secrets for, the order being the server's (spec
/// alertmanager §4.5). One that would show a password on an open line is passed over.
///
/// # Errors
/// [`Error::Unencrypted`] when only such are left, [`Error::NoMechanism`] when none is.
pub(super) fn choose(auth: &EmailAuth, offered: &[String], private: bool) -> Result<&'static str, Error> {
    let (mut open, none) = (false, || Error::NoMechanism {
        offered: if offered.is_empty() { "none".into() } else { offered.join(", ") },
    });
    for mechanism in offered {
        let (name, has, shows) = match (mechanism.as_str(), auth) {
            ("PLAIN", EmailAuth::Password { password, .. }) => ("PLAIN", password.is_some(), true),
            ("LOGIN", EmailAuth::Password { password, .. }) => ("LOGIN", password.is_some(), true),
            ("CRAM-MD5", EmailAuth::Password { secret, .. }) => ("CRAM-MD5", secret.is_some(), false),
            ("XOAUTH2", EmailAuth::XOAuth2 { .. }) => ("XOAUTH2", true, true),
            _ => continue,
        };
        match (has, shows && !private) {
            (true, false) => return Ok(name),
            (true, true) => open = true,
            (false, _) => {}
        }
    }
    // Many servers offer nothing before STARTTLS: the open line is the reason there too.
    Err(if open || (offered.is_empty() && !private) { Error::Unencrypted } else { none() })
}

/// Logs in.
///
/// # Errors
/// [`Error::Refused`] with the server's words, never with ours.
pub(super) async fn run(dialogue: &mut Dialogue, login: &Credentials) -> Result<(), Error> {
    let reply = match login {
        Credentials::Plain { identity, username, password } => {
            let response = encode(&format!("{identity}\0{username}\0{}", password.reveal()));
            let reply = dialogue.command(STEP, &format!("AUTH PLAIN {response}")).await?;
            // Some servers ask although they were told.
            if reply.code == 334 { dialogue.command(STEP, &response).await? } else { reply }
        }
        Credentials::Login { username, password } => {
            let mut reply = dialogue.command(STEP, "AUTH LOGIN").await?;
            for turn in 0..PROMPTS_MAX {
                if reply.code != 334 {
                    break;
                }
                // Prompts differ (`Username:`, `User Name`): only the password's is looked for.
                let asks_password = turn > 0 || challenge(&reply).to_ascii_lowercase().starts_with(b"pass");
                let answer = if asks_password { password.reveal() } else { username };
                reply = dialogue.command(STEP, &encode(answer)).await?;
            }
            reply
        }
        Credentials::CramMd5 { username, secret } => {
            let reply = dialogue.command(STEP, "AUTH CRAM-MD5").await?;
            if reply.code == 334 {
                let digest = hmac_md5(secret.reveal().as_bytes(), &challenge(&reply));
                let hex = hex(&digest);
                dialogue.command(STEP, &encode(&format!("{username} {hex}"))).await?
            } else {
                reply
            }
        }
        Credentials::XOAuth2 { username, token } => {
            let response = encode(&format!("user={username}\x01auth=Bearer {}\x01\x01", token.reveal()));
            let reply = dialogue.command(STEP, &format!("AUTH XOAUTH2 {response}")).await?;
            // A refusal comes as a challenge that holds the reason; an empty answer brings the code.
            if reply.code == 334 { dialogue.command(STEP, "").await? } else { reply }
        }
    };
    match reply.code {
        200..=299 => Ok(()),
        334 => {
            let _ = dialogue.command(STEP, "*").await;
            Err(Error::Protocol { step: STEP, reason: "one more challenge than the mechanism has" })
        }
        _ => reply.expect(2, STEP).map(drop).map_err(|e| without_secrets(e, login)),
    }
}

/// A server may repeat what we sent.
fn without_secrets(error: Error, login: &Credentials) -> Error {
    let Error::Refused { step, code, text, permanent } = error else { return error };
    let sent = match login {
        Credentials::Plain { identity, username, password } => {
            vec![
                password.reveal().to_owned(),
                encode(&format!("{identity}\0{username}\0{}", password.reveal())),
            ]
        }
        Credentials::Login { password, .. } => vec![password.reveal().to_owned(), encode(password.reveal())],
        Credentials::CramMd5 { secret, .. } => vec![secret.reveal().to_owned()],
        Credentials::XOAuth2 { username, token } => vec![
            token.reveal().to_owned(),
            encode(&format!("user={username}\x01auth=Bearer {}\x01\x01", token.reveal())),
        ],
    };
    // The text may be cut in the middle of it: then the beginning gives it away.
    let shown = sent.iter().any(|s| !s.is_empty() && (text.contains(s.as_str()) || text.contains(head(s))));
    let text = if shown { "<repeats what was sent>".to_owned() } else { text };
    Error::Refused { step, code, text, permanent }
}

/// The first characters of a secret, if it is long.
fn head(secret: &str) -> &str {
    secret.char_indices().nth(12).map_or(secret, |(end, _)| &secret[..end])
}

fn encode(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

fn challenge(reply: &Reply) -> Vec<u8> {
    let text = reply.lines.last().map_or("", |l| l.trim());
    BASE64_STANDARD.decode(text).unwrap_or_default()
}

/// RFC 2104 with MD5, as CRAM-MD5 (RFC 2195) wants it.
fn hmac_md5(key: &[u8], message: &[u8]) -> [u8; 16] {
    let mut block = [0u8; 64];
    if key.len() > block.len() {
        block[..16].copy_from_slice(&*md5::compute(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |pad: u8, rest: &[u8]| md5::compute([&block.map(|b| b ^ pad)[..], rest].concat()).0;
    padded(0x5c, &padded(0x36, message))
}

#[cfg(test)]
mod tests {
    use super::{choose, hex, hmac_md5};
    use crate::{net::SecretSource, notify::EmailAuth};

    /// RFC 2202 §2 and the example of RFC 2195 §2.
    #[test]
    fn hmac_is_the_standards() {
        for (key, message, expected) in [
            (&[0x0b; 16][..], &b"Hi There"[..], "9294727a3638bb1c13f48ef8158bfc9d"),
            (b"Jefe", b"what do ya want for nothing?", "750c783e6ab0b503eaa86e310a5db738"),
            (
                &[0xaa; 80],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd",
            ),
            (
                b"tanstaaftanstaaf",
                b"<1896.697170952@postoffice.reston.mci.net>",
                "b913a602c7eda7a495b4e6e7334d3890",
            ),
        ] {
            assert_eq!(hex(&hmac_md5(key, message)), expected);
        }
    }

    #[test]
    fn the_servers_order_decides_among_what_we_can() {
        let source = |yes: bool| yes.then(|| SecretSource::inline("s"));
        for (password, secret, private, offered, expected) in [
            (true, true, true, "CRAM-MD5 PLAIN LOGIN", "CRAM-MD5"),
            (true, false, true, "CRAM-MD5 LOGIN PLAIN", "LOGIN"),
            (true, false, true, "GSSAPI PLAIN", "PLAIN"),
            (false, true, true, "PLAIN LOGIN CRAM-MD5", "CRAM-MD5"),
            (true, true, false, "PLAIN LOGIN CRAM-MD5", "CRAM-MD5"),
            (true, false, false, "PLAIN LOGIN CRAM-MD5", "not encrypted"),
            (true, false, false, "", "not encrypted"),
            (true, false, true, "", "offers none"),
            (true, false, true, "GSSAPI XOAUTH2", "offers GSSAPI, XOAUTH2"),
        ] {
            let auth = EmailAuth::Password {
                username: "u".into(),
                password: source(password),
                secret: source(secret),
                identity: "".into(),
            };
            let offered: Vec<String> = offered.split_whitespace().map(str::to_owned).collect();
            let got = choose(&auth, &offered, private).map_or_else(|e| e.to_string(), str::to_owned);
            assert!(got.contains(expected), "{offered:?}: {got}");
        }
    }
}
