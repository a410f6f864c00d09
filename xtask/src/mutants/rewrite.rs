//! One line and its replacement, made into a line that chooses between them at run time.
//!
//! Both are taken apart into a head, an expression and a tail; heads and tails must be the same, the
//! expressions become `if crate::mutant("NAME") { replacement } else { original }`. Forms: `let … = …;` (with
//! `else { … }` too), `if … {`, `while … {`, `match … {`, `for … in … {`, arms and their guards, fields and
//! list items ending in a comma, `&& …` and `|| …` on a line of their own, statements, tail expressions.

use std::ops::Range;

use crate::source;

/// A rewritten line.
#[derive(Debug, PartialEq, Eq)]
pub struct Choice {
    /// Without indent.
    pub text: String,
    /// It must begin where a statement may.
    pub statement: bool,
    /// It must end where a block does.
    pub tail: bool,
}

/// The line that chooses.
///
/// # Errors
///
/// Says which form the two lines do not share.
pub fn choice(name: &str, original: &str, replacement: &str) -> Result<Choice, String> {
    let (original, replacement) = (bare(original), bare(replacement));
    if original.is_empty() {
        return Err("a mutant stands at the end of the line it replaces".into());
    }
    if original == replacement {
        return Err("the replacement is the line itself".into());
    }
    let (old, mut new) = (Parts::of(original)?, Parts::of(replacement)?);
    // `let _ = …;` binds nothing: it may stand for any statement.
    if old.form == Form::Statement && replacement.starts_with("let _ = ") {
        new.form = Form::Statement;
    }
    if old.form != new.form {
        return Err(format!("the line is {}, the replacement {}", old.form.name(), new.form.name()));
    }
    let given = format!("crate::mutant(\"{name}\")");
    let statement = matches!(old.form, Form::Statement | Form::Let | Form::Block);
    let tail = old.form == Form::Tail;
    if old.form == Form::Statement {
        let text = format!("if {given} {{ {replacement} }} else {{ {original} }}");
        return Ok(Choice { text, statement, tail });
    }
    let differ = only_difference(&old, &new)?;
    let pieces = old.pieces.iter().zip(&new.pieces).enumerate();
    let text: String = pieces
        .map(|(index, (old, new))| match index == differ {
            true if old.wrap => format!("(if {given} {{ {} }} else {{ {} }})", new.text, old.text),
            true => format!("if {given} {{ {} }} else {{ {} }}", new.text, old.text),
            false => old.text.to_owned(),
        })
        .collect();
    Ok(Choice { text, statement, tail })
}

fn bare(line: &str) -> &str {
    line.trim().trim_start_matches("#[rustfmt::skip]").trim_start()
}

fn only_difference(old: &Parts<'_>, new: &Parts<'_>) -> Result<usize, String> {
    if old.pieces.len() != new.pieces.len() {
        return Err(
            "line and replacement have different parts (as many `let` and `&&`, a guard in both)".into()
        );
    }
    let mut pairs = old.pieces.iter().zip(&new.pieces).enumerate();
    let differs = |(_, (old, new)): &(usize, (&Piece<'_>, &Piece<'_>))| old.text != new.text;
    let first = pairs.find(differs).ok_or("the replacement is the line itself")?;
    let fixed = |piece: &Piece<'_>| !piece.free;
    let wrong = std::iter::once(first).chain(pairs.filter(differs)).find(|(_, (old, _))| fixed(old));
    if let Some((_, (old, new))) = wrong {
        return Err(format!(
            "`{}` must stay as it is, the replacement has `{}`",
            old.text.trim(),
            new.text.trim()
        ));
    }
    let count = old.pieces.iter().zip(&new.pieces).filter(|(old, new)| old.text != new.text).count();
    if count > 1 {
        return Err("only one part of the line may differ".into());
    }
    Ok(first.0)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Let,
    Block,
    Arm,
    Item,
    Operand,
    Statement,
    Tail,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Form::Let => "a `let`",
            Form::Block => "the head of a block",
            Form::Arm => "an arm of a `match`",
            Form::Item => "an item ending in a comma",
            Form::Operand => "an operand",
            Form::Statement => "a statement",
            Form::Tail => "a tail expression",
        }
    }
}

struct Piece<'a> {
    text: &'a str,
    /// May differ from its counterpart.
    free: bool,
    /// Needs parentheses around the choice.
    wrap: bool,
}

struct Parts<'a> {
    form: Form,
    pieces: Vec<Piece<'a>>,
}

/// A line being cut: the text, and the same with only code in it.
struct Line<'a> {
    text: &'a str,
    code: String,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, String> {
        let line = Line { text, code: source::mask(text).code };
        let head = line.code.strip_suffix('{').map(str::len);
        let from = if line.code.starts_with("} else if ") { 1 } else { 0 };
        balanced(&line.code[from..head.unwrap_or(line.code.len())])?;
        if let Some(head) = head {
            return line.block(head);
        }
        if line.code.starts_with("let ") && line.code.ends_with(';') {
            return line.binding();
        }
        if line.code.starts_with(['.', '?', '+', '-', '/', '=', ')', ']', '}']) {
            return Err("the line goes on from the one before: it must be complete on its own".into());
        }
        if line.code.starts_with("&& ") || line.code.starts_with("|| ") {
            return line.operand();
        }
        if let Some(arrow) = line.top(" => ", 0) {
            return line.arm(arrow, line.code.len() - usize::from(line.code.ends_with(',')));
        }
        if line.code.ends_with(';') {
            return Ok(Parts { form: Form::Statement, pieces: vec![] });
        }
        if line.code.ends_with(',') {
            return Ok(line.item());
        }
        Ok(Parts { form: Form::Tail, pieces: vec![line.free(0..text.len())] })
    }
}

impl<'a> Line<'a> {
    fn fixed(&self, range: Range<usize>) -> Piece<'a> {
        Piece { text: &self.text[range], free: false, wrap: false }
    }

    fn free(&self, range: Range<usize>) -> Piece<'a> {
        Piece { text: &self.text[range], free: true, wrap: false }
    }

    /// Where `word` stands outside of all brackets, at `from` or later.
    fn top(&self, word: &str, from: usize) -> Option<usize> {
        let mut depth = 0;
        for (at, byte) in self.code.bytes().enumerate() {
            if depth == 0 && at >= from && self.code[at..].starts_with(word) {
                return Some(at);
            }
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth -= 1,
                _ => {}
            }
        }
        None
    }

    /// `… {`: `head` is where the brace stands.
    fn block(&self, head: usize) -> Result<Parts<'a>, String> {
        let end = self.code[..head].trim_end().len();
        let words = ["} else if ", "if ", "while ", "match "];
        let pieces = if let Some(word) = words.iter().find(|word| self.code.starts_with(**word)) {
            let mut pieces = vec![self.fixed(0..word.len())];
            self.condition(word.len()..end, &mut pieces);
            pieces.push(self.fixed(end..self.text.len()));
            pieces
        } else if self.code.starts_with("for ") {
            let list = 4 + self.top(" in ", 0).ok_or("expected `for … in … {`")?;
            vec![self.fixed(0..list), self.free(list..end), self.fixed(end..self.text.len())]
        } else if self.code.starts_with("let ") && self.code[..end].ends_with(" else") {
            let value = 3 + self.top(" = ", 0).ok_or("expected `let … = … else {`")?;
            let value_end = end - " else".len();
            vec![self.fixed(0..value), self.free(value..value_end), self.fixed(value_end..self.text.len())]
        } else if let Some(arrow) = self.top(" => ", 0).or(self.code[..end].strip_suffix(" =>").map(str::len))
        {
            return self.arm(arrow, arrow);
        } else {
            return Err("expected `if … {`, `while … {`, `match … {`, `for … in … {` or an arm".into());
        };
        Ok(Parts { form: Form::Block, pieces })
    }

    /// A condition: whole, or, if it binds names, its links of `&&` one by one.
    fn condition(&self, range: Range<usize>, pieces: &mut Vec<Piece<'a>>) {
        let binds =
            self.code[range.clone()].starts_with("let ") || self.code[range.clone()].contains("&& let ");
        if !binds {
            pieces.push(self.free(range));
            return;
        }
        let mut at = range.start;
        while at < range.end {
            let link = self.top(" && ", at).filter(|link| *link < range.end).unwrap_or(range.end);
            let value = match self.top(" = ", at) {
                Some(equals) if self.code[at..].starts_with("let ") && equals < link => equals + 3,
                _ => at,
            };
            pieces.push(self.fixed(at..value));
            pieces.push(Piece { wrap: true, ..self.free(value..link) });
            at = (link + 4).min(range.end);
            pieces.push(self.fixed(link..at));
        }
    }

    /// `let … = …;`, perhaps with `else { … }`.
    fn binding(&self) -> Result<Parts<'a>, String> {
        let value = 3 + self.top(" = ", 0).ok_or("expected `let … = …;`")?;
        let end = self.top(" else {", value).filter(|_| !self.code[value..].starts_with("if "));
        let end = end.unwrap_or(self.code.len() - 1);
        let mut value_piece = self.free(value..end);
        // `let … = if … {} else {} else {}` is refused by rustc without parentheses.
        value_piece.wrap = end + 1 < self.code.len();
        Ok(Parts {
            form: Form::Let,
            pieces: vec![self.fixed(0..value), value_piece, self.fixed(end..self.text.len())],
        })
    }

    /// `pattern if guard => value,`; `end` is where the value ends, `arrow` if it does not end here.
    fn arm(&self, arrow: usize, end: usize) -> Result<Parts<'a>, String> {
        let mut pieces = Vec::new();
        match self.top(" if ", 0).filter(|guard| *guard < arrow) {
            Some(guard) => pieces.extend([self.fixed(0..guard + 4), self.free(guard + 4..arrow)]),
            None => pieces.push(self.fixed(0..arrow)),
        }
        let value = (arrow + 4).min(end).max(arrow);
        pieces.push(self.fixed(arrow..value));
        if value < end {
            pieces.push(self.free(value..end));
        }
        pieces.push(self.fixed(end.max(value)..self.text.len()));
        Ok(Parts { form: Form::Arm, pieces })
    }

    /// `&& value` or `|| value`, at the end of a longer expression or within it.
    fn operand(&self) -> Result<Parts<'a>, String> {
        let trimmed = self.code.trim_end_matches([';', ',']).len();
        if self.top("||", 3).is_some() || (self.code.starts_with("||") && self.top("&&", 3).is_some()) {
            return Err(
                "an operand on a line of its own holds no other `||` or `&&` outside of brackets".into()
            );
        }
        let value = Piece { wrap: true, ..self.free(3..trimmed) };
        Ok(Parts {
            form: Form::Operand,
            pieces: vec![self.fixed(0..3), value, self.fixed(trimmed..self.text.len())],
        })
    }

    /// `name: value,` or `value,`.
    fn item(&self) -> Parts<'a> {
        let end = self.text.len() - 1;
        let name = self.code.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        let value = if name > 0 && self.code[name..].starts_with(": ") { name + 2 } else { 0 };
        let pieces = vec![self.fixed(0..value), self.free(value..end), self.fixed(end..self.text.len())];
        Parts { form: Form::Item, pieces }
    }
}

/// The line is complete on its own: each bracket opened is closed, and none before it was opened.
fn balanced(code: &str) -> Result<(), String> {
    let mut open = Vec::new();
    for byte in code.bytes() {
        let matching = match byte {
            b'(' | b'[' | b'{' => {
                open.push(byte);
                continue;
            }
            b')' => b'(',
            b']' => b'[',
            b'}' => b'{',
            _ => continue,
        };
        if open.pop() != Some(matching) {
            return Err("the line is not complete on its own: its brackets do not match".into());
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err("the line is not complete on its own: a bracket stays open".into())
    }
}

#[cfg(test)]
mod tests;
