//! How the pages look, and the policy that lets nothing else in.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::digest::{SHA256, digest};

/// The colours of the landing page; what is too wide scrolls by itself, so that the page fits a telephone.
pub(super) const STYLE: &str = "\
:root{color-scheme:light dark;--bg:#f7f7f5;--card:#fff;--text:#1c1f23;--soft:#626a73;--line:#e2e3e0;--link:#0b5fae}\
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1d2125;--text:#e8eaed;--soft:#9aa3ad;--line:#2d3339;\
--link:#7fb8f5}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--bg);color:var(--text);font:16px/1.55 system-ui,sans-serif}\
main{max-width:46rem;margin:0 auto;padding:1.25rem 1rem 3rem;overflow-wrap:anywhere}\
nav{display:flex;gap:1.1rem;font-size:.9rem}\
h1{font-size:1.5rem;line-height:1.3;margin:1rem 0 .75rem}h2{font-size:1.1rem;margin:1.75rem 0 .5rem}\
h3{font-size:1rem;margin:1.25rem 0 .25rem}\
p,ul,ol{margin:.5rem 0}ul,ol{padding-left:1.3rem}li{margin:.2rem 0}\
a{color:var(--link)}\
code{font:.9em ui-monospace,monospace;background:var(--card);border:1px solid var(--line);border-radius:.25rem;\
padding:0 .25rem}\
pre{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.7rem .9rem;white-space:pre-wrap}\
pre code{border:0;padding:0;background:none}\
.wide{overflow-x:auto}\
table{border-collapse:collapse;font-size:.9rem}\
th,td{text-align:left;vertical-align:top;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line);\
overflow-wrap:normal}";

/// The `Content-Security-Policy`: this style sheet, and nothing else.
pub(super) fn policy() -> String {
    let hash = BASE64_STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}
