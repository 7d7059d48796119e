//! The sample head: series, tails, mini-block chunks, postings. Bytes in and out; opens no file.
