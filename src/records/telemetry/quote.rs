//! A stream filter that quotes the bare tokens `NaN`, `Infinity` and `-Infinity` of Python.

use std::io::{self, BufRead, Read};

/// A JSON text in which every bare word that begins with `N` or `I` is quoted; JSON itself has none.
#[derive(Debug)]
pub(super) struct Quoted<R> {
    inner: R,
    ready: Vec<u8>,
    taken: usize,
    in_string: bool,
    escaped: bool,
    in_word: bool,
    minus: bool,
}

impl<R: BufRead> Quoted<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            ready: Vec::new(),
            taken: 0,
            in_string: false,
            escaped: false,
            in_word: false,
            minus: false,
        }
    }

    fn byte(&mut self, b: u8) {
        if self.in_string {
            self.in_string = self.escaped || b != b'"';
            self.escaped = !self.escaped && b == b'\\';
            return self.ready.push(b);
        }
        if self.in_word && !b.is_ascii_alphanumeric() {
            self.in_word = false;
            self.ready.push(b'"');
        } else if !self.in_word && matches!(b, b'N' | b'I') {
            self.in_word = true;
            self.ready.push(b'"');
        }
        if std::mem::take(&mut self.minus) {
            self.ready.push(b'-');
        }
        match b {
            b'-' => self.minus = true, // what follows decides on which side of a quote it stands
            b'"' => {
                self.in_string = true;
                self.ready.push(b);
            }
            _ => self.ready.push(b),
        }
    }
}

impl<R: BufRead> Read for Quoted<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.ready.len() {
            self.ready.clear();
            self.taken = 0;
            let bytes = self.inner.fill_buf()?;
            let n = bytes.len().min(1 << 16);
            if n == 0 {
                if std::mem::take(&mut self.minus) {
                    self.ready.push(b'-');
                }
                if std::mem::take(&mut self.in_word) {
                    self.ready.push(b'"');
                }
                if self.ready.is_empty() {
                    return Ok(0);
                }
                break;
            }
            let chunk = bytes[..n].to_vec();
            self.inner.consume(n);
            for b in chunk {
                self.byte(b);
            }
        }
        let n = to.len().min(self.ready.len() - self.taken);
        to[..n].copy_from_slice(&self.ready[self.taken..self.taken + n]);
        self.taken += n;
        Ok(n)
    }
}
