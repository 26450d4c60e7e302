//! Settings and choices of the library as flags: the only place that knows how a field is typed.
//!
//! A message of the library names the field of a request in backticks; the person who typed a command reads its flag.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use ptyproof::error::{Error, Kind};
use ptyproof::setting::{Bounds, Named, Setting, SettingValue, SettingVisitor, flag};
use ptyproof::solve::{Method, Steps};
use ptyproof_harness::scenario::Overrides;

/// One of the words of a choice; the help lists all, with what they mean.
pub(crate) fn choice<T: Named>() -> impl TypedValueParser<Value = T> {
    let values = T::ALL
        .iter()
        .map(|v| PossibleValue::new(v.name()).help(v.doc()));
    PossibleValuesParser::new(values).try_map(|text| text.parse::<T>())
}

/// A struct of optional settings whose table makes flags.
pub(crate) trait Table: Default + Clone {
    /// The heading of its flags in a help text.
    const HEADING: &'static str;

    fn each(&mut self, visitor: &mut impl SettingVisitor);

    /// What a help text adds to the meaning of a setting.
    fn remark(_: &Setting) -> String {
        String::new()
    }
}

impl Table for Overrides {
    const HEADING: &'static str =
        "Settings (each wins over the scenario and its profile, and is recorded)";

    fn each(&mut self, visitor: &mut impl SettingVisitor) {
        self.visit(visitor);
    }
}

impl Table for Steps {
    const HEADING: &'static str = "Steps (each engine has defaults that suit most data)";

    fn each(&mut self, visitor: &mut impl SettingVisitor) {
        self.visit(visitor);
    }

    fn remark(setting: &Setting) -> String {
        let engines = Method::ALL.iter().filter(|m| m.reads(setting.name));
        let engines: Vec<&str> = engines.map(|m| m.name()).collect();
        if engines.len() == Method::ALL.len() {
            return String::new();
        }
        format!(" Engines: {}.", engines.join(", "))
    }
}

/// The flags of a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct SettingArgs<T>(pub(crate) T);

impl<T: Table> Args for SettingArgs<T> {
    fn augment_args(command: Command) -> Command {
        let mut build = Build {
            command: Some(command.next_help_heading(T::HEADING)),
            remark: T::remark,
        };
        T::default().each(&mut build);
        let command = build.command.unwrap_or_default();
        command.next_help_heading(None::<&str>)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<T: Table> FromArgMatches for SettingArgs<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut read = Self::default();
        read.update_from_arg_matches(matches)?;
        Ok(read)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.each(&mut Read(matches));
        Ok(())
    }
}

struct Build {
    command: Option<Command>,
    remark: fn(&Setting) -> String,
}

impl SettingVisitor for Build {
    fn visit<T: SettingValue>(&mut self, setting: &'static Setting, _: &mut Option<T>) {
        let mut arg = Arg::new(setting.name)
            .long(flag(setting.name))
            .value_name(setting.value)
            .help(help(setting, &(self.remark)(setting)))
            .allow_negative_numbers(true)
            .value_parser(|text: &str| text.parse::<T>().map_err(|e| e.to_string()));
        if T::SWITCH {
            arg = arg.num_args(0..=1).default_missing_value("true");
        }
        self.command = self.command.take().map(|command| command.arg(arg));
    }
}

struct Read<'a>(&'a ArgMatches);

impl SettingVisitor for Read<'_> {
    fn visit<T: SettingValue>(&mut self, setting: &'static Setting, value: &mut Option<T>) {
        if self.0.value_source(setting.name) == Some(ValueSource::CommandLine) {
            *value = self.0.get_one::<T>(setting.name).cloned();
        }
    }
}

/// What a setting means, what it can be, and what it is by default.
fn help(s: &Setting, remark: &str) -> String {
    let bounds = match s.bounds {
        Bounds::AtLeast(0) | Bounds::Switch => String::new(),
        bounds => format!(" [{bounds}]"),
    };
    format!("{}{remark}{bounds} [default: {}]", s.doc, s.default)
}

/// The flags of one command, by which its errors name fields.
#[derive(Debug, Default)]
pub(crate) struct Flags(Vec<String>);

impl Flags {
    /// Those of the command that was called.
    pub(crate) fn of(mut command: &Command, mut matches: &ArgMatches) -> Self {
        while let Some((name, inner)) = matches.subcommand() {
            let Some(found) = command.find_subcommand(name) else {
                break;
            };
            (command, matches) = (found, inner);
        }
        let longs = command.get_arguments().filter_map(Arg::get_long);
        Self(longs.map(str::to_owned).collect())
    }

    /// An error and its advice, with flags for fields. A file has keys that may be called as a field is, so that only
    /// requests are read that way.
    pub(crate) fn name(&self, e: &Error) -> (String, Option<String>) {
        let text = match e.kind() {
            Kind::Usage => self.replace(&e.to_string()),
            _ => e.to_string(),
        };
        (text, e.advice().map(|advice| self.replace(advice)))
    }

    fn replace(&self, text: &str) -> String {
        if text.matches('`').count() % 2 == 1 {
            return text.to_owned();
        }
        let mut named = String::with_capacity(text.len());
        for (k, part) in text.split('`').enumerate() {
            let long = flag(part);
            if k % 2 == 0 {
                named.push_str(part);
            } else if self.0.contains(&long) {
                named.push_str("--");
                named.push_str(&long);
            } else {
                named.push('`');
                named.push_str(part);
                named.push('`');
            }
        }
        named
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_a_flag_is_named_as_one() {
        let flags = Flags(vec!["group-count".into(), "reassemble-m".into()]);
        let text = "at `group_count`: got `lines`, need less, or `reassemble_M` 3, in `a b`";
        assert_eq!(
            flags.replace(text),
            "at --group-count: got `lines`, need less, or --reassemble-m 3, in `a b`"
        );
        assert_eq!(flags.replace("nothing quoted"), "nothing quoted");
    }

    #[test]
    fn keys_of_a_file_are_no_flags() {
        let flags = Flags(vec!["probe".into(), "data".into()]);
        let e = Error::input("reading")
            .at("key `probe`")
            .help("give `data`");
        let (text, advice) = flags.name(&e);
        assert_eq!(text, "reading: at key `probe`");
        assert_eq!(advice.as_deref(), Some("give --data"));
    }
}
