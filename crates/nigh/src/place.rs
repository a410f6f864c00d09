//! Reads `place.toml`. Whether it makes sense is decided in `nigh_proto::placement`.

use nigh_proto::placement::{Place, Role};
use toml::{Table, Value};

use crate::error::{Error, Result};

/// `[role.NAME]` tables with lists `entities`, `services` and `doors`. `file` is named in errors.
pub(crate) fn parse(file: &str, text: &str) -> Result<Place> {
    let wrong = |why: String| Error::usage(format!("{file}: {why}"));
    let table: Table = text.parse().map_err(|e: toml::de::Error| wrong(e.to_string()))?;
    let mut place = Place::default();
    for (key, value) in table {
        let ("role", Value::Table(roles)) = (key.as_str(), value) else {
            return Err(wrong(format!("`{key}`: write tables `[role.NAME]` and nothing else")));
        };
        for (name, value) in roles {
            let Value::Table(has) = value else {
                return Err(wrong(format!("`role.{name}`: write a table `[role.{name}]`")));
            };
            place.roles.insert(name.clone(), role(&name, has).map_err(wrong)?);
        }
    }
    Ok(place)
}

fn role(name: &str, has: Table) -> std::result::Result<Role, String> {
    let mut role = Role::default();
    for (key, value) in has {
        let list = match key.as_str() {
            "entities" => &mut role.entities,
            "services" => &mut role.services,
            "doors" => &mut role.doors,
            other => {
                let near = nigh_wire::nearest(other, ["entities", "services", "doors"]);
                let hint = near.map_or(String::new(), |n| format!("; did you mean `{n}`?"));
                return Err(format!("`role.{name}.{other}`: no such setting{hint}"));
            }
        };
        let names = match value {
            Value::Array(names) => names,
            _ => return Err(format!("`role.{name}.{key}`: write a list of names")),
        };
        for item in names {
            match item {
                Value::String(item) => list.insert(item),
                other => {
                    return Err(format!("`role.{name}.{key}`: {other:?} is no name: write it in quotes"));
                }
            };
        }
    }
    Ok(role)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let got = match parse("place.toml", text) {
            Ok(place) => format!("{:?}", place.roles),
            Err(error) => error.to_string(),
        };
        assert!(got.contains(expected), "`{text}` gave: {got}");
    }

    #[test]
    #[rustfmt::skip] // Rows are read as columns.
    fn files_and_mistakes() {
        check("[role.web]\ndoors = [\"http\"]",      "doors: {\"http\"}");
        check("[rol.web]",                            "write tables `[role.NAME]`");
        check("[role]\nweb = 1",                      "write a table `[role.web]`");
        check("[role.web]\ndors = []",                "did you mean `doors`?");
        check("[role.web]\ndoors = \"http\"",         "write a list");
        check("[role.web]\ndoors = [1]",              "is no name");
        check("[role.web",                            "place.toml: ");
    }
}
