//! How the page looks, and the policy that lets nothing else in.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::digest::{SHA256, digest};

/// Both schemes from one set of names; one column that fits a phone.
pub(super) const STYLE: &str = "\
:root{color-scheme:light dark;--bg:#f7f7f5;--card:#fff;--text:#1c1f23;--soft:#626a73;--line:#e2e3e0;--link:#0b5fae;\
--good:#1a7f4b;--warn:#9a6400;--bad:#b3261e}\
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1d2125;--text:#e8eaed;--soft:#9aa3ad;--line:#2d3339;\
--link:#7fb8f5;--good:#5cc98d;--warn:#e3b04b;--bad:#ff8a80}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--bg);color:var(--text);font:16px/1.5 system-ui,sans-serif}\
main{max-width:46rem;margin:0 auto;padding:1.25rem 1rem 3rem}\
header{display:flex;align-items:baseline;gap:.6rem;color:var(--soft);font-size:.9rem}\
header b{color:var(--text);font-size:1rem}\
h1{font-size:1.5rem;line-height:1.3;margin:1rem 0 1.5rem;padding-left:.9rem;border-left:.3rem solid var(--good);\
overflow-wrap:anywhere}\
h1.warn{border-color:var(--warn)}h1.bad{border-color:var(--bad)}\
h2{font-size:1rem;margin:1.75rem 0 .5rem}\
ul{list-style:none;margin:0;padding:0;background:var(--card);border:1px solid var(--line);border-radius:.6rem}\
li{padding:.7rem .9rem;border-top:1px solid var(--line);overflow-wrap:anywhere}li:first-child{border-top:0}\
li p{margin:.15rem 0 0}\
.soft{color:var(--soft);font-size:.9rem}\
.tag{font-size:.75rem;font-weight:600;padding:.1rem .5rem;border:1px solid;border-radius:1rem;margin-left:.4rem;\
color:var(--soft)}\
.tag.bad{color:var(--bad)}.tag.warn{color:var(--warn)}\
a{color:var(--link)}code{font-size:.9em}\
nav{display:flex;flex-wrap:wrap;gap:.4rem 1.1rem;margin-top:2rem}";

/// The `Content-Security-Policy`: this style sheet, and nothing else.
pub(super) fn policy() -> String {
    let hash = BASE64_STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}
