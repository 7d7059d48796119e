//! Go's text/template and html/template, for label and annotation templates and for notification texts.
