//! Lists as text: columns, JSON, names; times and ages as kubectl has them.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::{cli::Format, failure::Failure, object::Object, screen::Screen};

/// Spaces between columns, as kubectl has them.
const GAP: usize = 3;

/// What stands where there is nothing.
const NOTHING: &str = "-";

/// Objects with what is shown of them.
#[derive(Debug)]
pub struct List<'o, K> {
    /// The titles.
    pub columns: &'static [&'static str],
    /// A row for each object.
    pub rows: Vec<Vec<String>>,
    /// The objects.
    pub objects: &'o [K],
}

impl<K: Object> List<'_, K> {
    /// Prints the list.
    ///
    /// # Errors
    /// [`Failure::Print`], [`Failure::Encode`].
    pub fn print(
        &self,
        format: Format,
        namespace: &str,
        screen: &mut Screen<'_>,
    ) -> Result<(), Failure> {
        match format {
            Format::Json => screen.print(&self.json()?),
            _ if self.objects.is_empty() => {
                let kind = K::kind(&());
                screen.note(&format!("No such {kind} in namespace {namespace}."));
                Ok(())
            }
            Format::Table => screen.print(&table(self.columns, &self.rows)),
            Format::Name => screen.print(&self.names()),
        }
    }

    fn json(&self) -> Result<String, Failure> {
        let encode = |error: serde_json::Error| Failure::Encode(error.into());
        let items = self.objects.iter().map(|object| {
            let mut object = object.clone();
            object.meta_mut().managed_fields = None;
            let mut value = serde_json::to_value(object)?;
            // What a list of the API leaves out of its items.
            for (field, text) in [("apiVersion", K::api_version(&())), ("kind", K::kind(&()))] {
                if let Some(fields) = value.as_object_mut() {
                    fields.insert(field.to_owned(), json!(text));
                }
            }
            Ok(value)
        });
        let items: Vec<Value> = items.collect::<Result<_, _>>().map_err(encode)?;
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
        serde_json::to_string_pretty(&list).map_err(encode)
    }

    fn names(&self) -> String {
        let kind = K::kind(&()).to_lowercase();
        let group = K::group(&());
        let names = self.objects.iter();
        let names = names.map(|object| format!("{kind}.{group}/{}\n", object.name_any()));
        names.collect()
    }
}

/// Columns that are as wide as their widest cell.
fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let titles = columns.iter().map(|&title| title.to_owned()).collect();
    let mut lines: Vec<Vec<String>> = vec![titles];
    lines.extend(
        rows.iter()
            .map(|row| row.iter().map(|it| cell(it)).collect()),
    );
    let mut widths = vec![0; columns.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths);
        let cells = cells.map(|(cell, &width)| format!("{cell:<0$}", width + GAP));
        text.push_str(cells.collect::<String>().trim_end());
        text.push('\n');
    }
    text
}

/// Text as it may stand on a screen: a user could name themselves a control sequence.
fn cell(text: &str) -> String {
    if text.is_empty() {
        return NOTHING.to_owned();
    }
    let shown = |it: char| if it.is_control() { '?' } else { it };
    text.chars().map(shown).collect()
}

/// A time to the second.
pub fn time(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second())
        .unwrap_or(time)
        .to_string()
}

/// How long an object has been there, in its largest unit.
pub fn age(created: Option<Time>, now: Timestamp) -> String {
    let Some(created) = created else {
        return String::new();
    };
    let seconds = now.as_second().saturating_sub(created.0.as_second()).max(0);
    let (number, unit) = match seconds {
        ..120 => (seconds, 's'),
        120..7200 => (seconds / 60, 'm'),
        7200..172_800 => (seconds / 3600, 'h'),
        _ => (seconds / 86_400, 'd'),
    };
    format!("{number}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters() {
        let rows = [
            vec!["Zoë".to_owned(), "a".to_owned()],
            vec!["bob".to_owned(), String::new()],
        ];
        let expected = "USER   X\nZoë    a\nbob    -\n";
        assert_eq!(table(&["USER", "X"], &rows), expected);
    }

    #[test]
    fn control_sequences_do_not_reach_the_screen() {
        assert_eq!(cell("a\u{1b}[2J\u{9b}b\n"), "a?[2J?b?");
    }

    #[test]
    fn ages_have_one_unit() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().expect("a time");
        for (created, expected) in [
            ("2026-01-31T12:00:01Z", "0s"),
            ("2026-01-31T11:58:01Z", "119s"),
            ("2026-01-31T11:58:00Z", "2m"),
            ("2026-01-31T10:00:00Z", "2h"),
            ("2026-01-29T12:00:00Z", "2d"),
        ] {
            let created = Time(created.parse().expect("a time"));
            assert_eq!(age(Some(created), now), expected);
        }
    }
}
