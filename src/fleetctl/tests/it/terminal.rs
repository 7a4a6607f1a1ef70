//! A pseudo-terminal with a program on it, and somebody who reads and types.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::common::until;

/// The keys that a person presses, as a terminal sends them.
pub(crate) const ENTER: &str = "\r";
pub(crate) const BACKSPACE: &str = "\x7f";
pub(crate) const DOWN: &str = "\x1b[B";
pub(crate) const CTRL_C: &str = "\x03";

/// A program on a terminal. It is killed when this is dropped.
pub(crate) struct OnTerminal {
    child: Child,
    keyboard: File,
    /// Stays open, so that the terminal outlives the program and can be looked at.
    line: File,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl OnTerminal {
    /// Starts a program on a terminal of this size.
    pub(crate) fn start(mut command: Command, columns: u16, rows: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let open = || {
            File::options()
                .read(true)
                .write(true)
                .open(name.to_str().unwrap())
                .unwrap()
        };
        let line = open();
        let size = Winsize {
            ws_col: columns,
            ws_row: rows,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&line, size).unwrap();
        let child = command
            .env("TERM", "xterm-256color")
            .stdin(Stdio::from(open()))
            .stdout(Stdio::from(open()))
            .stderr(Stdio::from(open()))
            .spawn()
            .unwrap();
        let keyboard = File::from(master);
        let size = |cells| NonZero::new(cells).unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(size(rows), size(columns), 0)));
        read(keyboard.try_clone().unwrap(), Arc::clone(&screen));
        Self {
            child,
            keyboard,
            line,
            screen,
        }
    }

    /// What is on the screen now.
    pub(crate) fn screen(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Whether the program has a screen of its own, behind which is what was there before.
    pub(crate) fn is_full_screen(&self) -> bool {
        self.screen.lock().unwrap().screen().alternate_screen()
    }

    /// Waits until this is on the screen.
    pub(crate) async fn shows(&self, text: &str) {
        until(&format!("{text:?} on the screen"), async || {
            self.screen().contains(text).then_some(())
        })
        .await;
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end; gives the exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let ended = until("the end of the program", async || {
            self.child.try_wait().unwrap()
        });
        ended.await.code()
    }

    /// Whether lines are edited and shown as before any program changed that.
    pub(crate) fn is_as_before(&self) -> bool {
        let modes = tcgetattr(&self.line).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }
}

/// Until the terminal is closed. A thread, since a terminal cannot be waited for.
fn read(mut from: File, to: Arc<Mutex<vt100::Parser>>) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            to.lock().unwrap().process(&buffer[..length]);
        }
    });
}

impl Drop for OnTerminal {
    #[expect(
        clippy::print_stdout,
        reason = "the test runner shows it for a test that fails"
    )]
    fn drop(&mut self) {
        if thread::panicking() {
            println!("{}", self.screen());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
