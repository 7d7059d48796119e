//! Arguments in, exit code out.

fn main() -> std::process::ExitCode {
    // Before the first thread starts.
    botwatch::platform::tune_allocator();
    botwatch::cli::main(std::env::args_os())
}
