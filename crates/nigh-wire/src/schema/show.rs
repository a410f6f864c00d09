//! A shape as one line: `{cents: u64, holds: map<text, u64>}`. For messages and lists, never parsed.

use std::fmt::{self, Write};

use super::{Member, Node, NodeId, Prim, Schema};

/// Longest line, in bytes: a shape in which shapes recur in many places would grow exponentially.
const SHOWN_SIZE_MAX: usize = 2_048;
/// Shapes shown inside each other; what is deeper is `…`.
const SHOWN_NESTING_MAX: usize = 32;

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show(self.root))
    }
}

impl Schema {
    /// One node as a line.
    pub(crate) fn show(&self, id: NodeId) -> String {
        let mut show = Show { schema: self, path: vec![], out: String::new() };
        show.node(id);
        show.out
    }
}

/// Name of a built-in kind, as shapes show it.
fn prim_name(prim: Prim) -> &'static str {
    match prim {
        Prim::Unit => "unit",
        Prim::Bool => "bool",
        Prim::U8 => "u8",
        Prim::U16 => "u16",
        Prim::U32 => "u32",
        Prim::U64 => "u64",
        Prim::U128 => "u128",
        Prim::I8 => "i8",
        Prim::I16 => "i16",
        Prim::I32 => "i32",
        Prim::I64 => "i64",
        Prim::I128 => "i128",
        Prim::F32 => "f32",
        Prim::F64 => "f64",
        Prim::Char => "char",
        Prim::Str => "text",
        Prim::Bytes => "bytes",
        Prim::Time => "time",
        Prim::Duration => "duration",
    }
}

struct Show<'s> {
    schema: &'s Schema,
    /// From the root to here: a node met again is recursion.
    path: Vec<NodeId>,
    out: String,
}

impl Show<'_> {
    fn node(&mut self, id: NodeId) {
        let full = self.out.len() > SHOWN_SIZE_MAX || self.path.len() == SHOWN_NESTING_MAX;
        if full || self.path.contains(&id) {
            return self.out.push('…');
        }
        self.path.push(id);
        match self.schema.node(id) {
            Node::Prim { prim, .. } => self.out.push_str(prim_name(*prim)),
            Node::Option(a) => self.each("option<", ", ", ">", &[*a]),
            Node::Seq(a) => self.each("[", ", ", "]", &[*a]),
            Node::Set(a) => self.each("set<", ", ", ">", &[*a]),
            Node::Map(k, v) => self.each("map<", ", ", ">", &[*k, *v]),
            Node::Tuple(all) => self.each("(", ", ", ")", all),
            Node::Struct { fields } => {
                self.out.push('{');
                self.members(fields, ", ", |show, m| {
                    show.out.push_str(&m.name);
                    show.out.push_str(": ");
                    show.node(m.ty);
                });
                self.out.push('}');
            }
            Node::Enum { variants } if variants.is_empty() => self.out.push_str("never"),
            Node::Enum { variants } => self.members(variants, " | ", Self::variant),
            Node::Bounded { of, len_max } => {
                self.node(*of);
                write!(self.out, " (len <= {len_max})").expect("a string takes all");
            }
        }
        self.path.pop();
    }

    fn variant(&mut self, m: &Member) {
        self.out.push_str(&m.name);
        match self.schema.node(m.ty) {
            Node::Prim { prim: Prim::Unit, .. } => {}
            Node::Tuple(_) => self.node(m.ty),
            Node::Struct { .. } => {
                self.out.push(' ');
                self.node(m.ty);
            }
            _ => self.each("(", ", ", ")", &[m.ty]),
        }
    }

    fn each(&mut self, open: &str, between: &str, close: &str, all: &[NodeId]) {
        self.out.push_str(open);
        for (i, id) in all.iter().enumerate() {
            if self.out.len() > SHOWN_SIZE_MAX {
                self.out.push('…');
                break;
            }
            self.out.push_str(if i == 0 { "" } else { between });
            self.node(*id);
        }
        self.out.push_str(close);
    }

    fn members(&mut self, all: &[Member], between: &str, one: impl Fn(&mut Self, &Member)) {
        for (i, m) in all.iter().enumerate() {
            self.out.push_str(if i == 0 { "" } else { between });
            if self.out.len() > SHOWN_SIZE_MAX {
                return self.out.push('…');
            }
            one(self, m);
        }
    }
}
