//! What becomes of memory that is freed.
//!
//! glibc takes each piece above a threshold from the system by itself and gives it back when it is freed. But it raises
//! the threshold to the size of such a piece, up to 32 MiB, and keeps what is smaller for the thread that had it. A
//! program that works in phases, on threads of their own, then holds what each phase needed. A threshold that is set
//! stays: <https://man7.org/linux/man-pages/man3/mallopt.3.html>, `M_MMAP_THRESHOLD`.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Read by glibc when a program starts.
pub const THRESHOLD_VARIABLE: &str = "MALLOC_MMAP_THRESHOLD_";
/// Bytes. Smaller pieces come and go too often to ask the system for each.
const THRESHOLD: &str = "1048576";
/// Says that it was tried: where a program has more rights than its user, glibc removes its own variables.
const TRIED_VARIABLE: &str = "FLEET_ALLOCATOR_SET";

/// Makes glibc give large pieces of memory back when they are freed: runs this program from its start once more, in the
/// same process, with the threshold in its environment. So call it before anything is done.
///
/// Returns where the threshold is set, whoever did it, where the C library is another one, and where it fails: the
/// program only needs more memory then.
pub fn give_back_freed_memory() {
    let variables = [THRESHOLD_VARIABLE, TRIED_VARIABLE];
    if cfg!(not(target_env = "gnu")) || variables.iter().any(|name| env::var_os(name).is_some()) {
        return;
    }
    let mut arguments = env::args_os();
    if let (Ok(program), Some(name)) = (env::current_exe(), arguments.next()) {
        let error = Command::new(program)
            .arg0(name)
            .args(arguments)
            .env(THRESHOLD_VARIABLE, THRESHOLD)
            .env(TRIED_VARIABLE, "1")
            .exec();
        tracing::debug!(%error, "memory that is freed stays with this process");
    }
}
