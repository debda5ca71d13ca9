//! The command line of the fault harness: one run by a seed, or the judgement of a history that was kept.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use connection_tracker_chaos::fault::Kind;
use connection_tracker_chaos::history::History;
use connection_tracker_chaos::mix;
use connection_tracker_chaos::mutant::Mutant;
use connection_tracker_chaos::oracle::{Verdict, judge, show};
use connection_tracker_chaos::run::{Order, Times, flags, run};

/// Breaks a whole installation on purpose and judges what became of it. Ends with one line; exit code 0 for a clean run
/// that did enough, 1 otherwise
#[derive(Parser)]
#[command(name = "chaos")]
struct CommandLine {
    /// Everything random follows from it; drawn when it is not given
    #[arg(long)]
    seed: Option<u64>,
    /// How long users and faults go on, in minutes
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Only these kinds of faults, separated by commas; `short` draws some by the seed, as the kept seeds do
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<String>,
    /// Break one rule of the service on purpose; `list` lists them
    #[arg(long)]
    mutant: Option<String>,
    /// Let a naive culler stop the sessions instead of the service
    #[arg(long)]
    naive: bool,
    /// Processes of the service
    #[arg(long, default_value_t = 3)]
    replicas: usize,
    /// Sessions in use at a time
    #[arg(long, default_value_t = 80)]
    desks: usize,
    /// Further flags of the service, as `name=value`
    #[arg(long = "flag", value_name = "NAME=VALUE")]
    flags: Vec<String>,
    /// Where the whole history is written, as JSON
    #[arg(long)]
    export: Option<PathBuf>,
    /// Directory in which the logs of the replicas are kept
    #[arg(long)]
    logs: Option<PathBuf>,
    /// Judge a history that was exported, instead of a run
    #[arg(long, value_name = "FILE")]
    judge: Option<PathBuf>,
    /// With --judge: what all logs say of this session
    #[arg(long, value_name = "SESSION")]
    show: Option<String>,
    /// The binary of the service, built with the feature `failpoints`
    #[arg(
        long,
        env = "CHAOS_BINARY",
        default_value = "target/debug/connection-tracker",
        hide = true
    )]
    binary: PathBuf,
    /// A Postgres server whose user may create databases
    #[arg(
        long,
        env = "TRACKER_TEST_POSTGRES_URL",
        default_value = "",
        hide = true,
        hide_env_values = true
    )]
    postgres_url: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let log = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false);
    log.with_env_filter("info,sqlx=off").init();
    let line = CommandLine::parse();
    if line.mutant.as_deref() == Some("list") {
        for mutant in &connection_tracker_chaos::mutant::ALL {
            say(&format!(
                "{:<26} {}; noticed: {}",
                mutant.name, mutant.broken, mutant.noticed
            ));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let history = match &line.judge {
        Some(path) => read(path)?,
        None => carry_out(&line).await?,
    };
    if let Some(session) = &line.show {
        say(&show(&history, session, i64::MIN, i64::MAX));
        return Ok(ExitCode::SUCCESS);
    }
    Ok(tell(&judge(&history), &history))
}

fn read(path: &PathBuf) -> anyhow::Result<History> {
    let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is not a history of this version", path.display()))
}

async fn carry_out(line: &CommandLine) -> anyhow::Result<History> {
    let seed = line.seed.unwrap_or_else(rand::random);
    let length = Duration::from_secs_f64(line.minutes * 60.0);
    let mut mix = match line.kinds.first().map(String::as_str) {
        None => mix::whole(seed),
        Some("short") => mix::short(seed, length),
        Some(_) => mix::aimed(&kinds(&line.kinds)?, [].into()),
    };
    let mutant = match &line.mutant {
        Some(name) => Some(
            Mutant::named(name)
                .with_context(|| format!("there is no mutant {name}; --mutant list names them"))?,
        ),
        None => None,
    };
    let made = mutant.map(|mutant| mutant.make(line.replicas)).transpose()?;
    if let (Some(mutant), Some(made)) = (mutant, &made) {
        mix = mix::aimed(mutant.kinds, made.flags.clone());
    }
    for flag in &line.flags {
        let (name, value) = flag
            .split_once('=')
            .with_context(|| format!("--flag {flag}: write NAME=VALUE"))?;
        mix.flags.insert(name.to_owned(), value.to_owned());
    }
    let order = Order {
        seed,
        length,
        replicas: line.replicas,
        desks: line.desks,
        failpoints: made
            .as_ref()
            .map(|made| made.failpoints.clone())
            .unwrap_or_default(),
        mutant: line.mutant.clone(),
        is_naive: line.naive,
        keep_logs_in: line.logs.clone(),
        ..Order::new(line.binary.clone(), line.postgres_url.clone(), mix)
    };
    let mut all_flags = flags(Times::COUNTING);
    all_flags.extend(order.flags.clone());
    for (name, value) in all_flags.iter().filter(|(name, _)| name.starts_with("brake-")) {
        tracing::info!("{name} {value}");
    }
    tracing::info!(seed, "the run begins; --seed repeats its schedule");
    let history = run(&order, Times::COUNTING).await?;
    if let Some(path) = &line.export {
        std::fs::write(path, serde_json::to_vec(&history)?)?;
    }
    Ok(history)
}

fn kinds(words: &[String]) -> anyhow::Result<Vec<Kind>> {
    let all = || Kind::ALL.map(Kind::word).join(", ");
    let kind = |word: &String| {
        Kind::from_word(word)
            .with_context(|| format!("there is no kind of fault {word}; there are {}", all()))
    };
    words.iter().map(kind).collect()
}

/// Violations first, then the counts by kind, last the one line.
fn tell(verdict: &Verdict, history: &History) -> ExitCode {
    for violation in &verdict.violations {
        let at = violation.at_ms - history.run.began_ms;
        say(&format!(
            "invariant {} {} at {at} ms: {}",
            violation.invariant, violation.session, violation.facts
        ));
    }
    let faults: Vec<String> = (verdict.counts.faults.iter())
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    say(&format!("faults: {}", faults.join(", ")));
    if history.run.is_naive {
        let counts = &verdict.counts;
        say(&format!(
            "seed {}: naive culler: {} of {} hibernations under a connected user",
            verdict.seed, counts.wrong_by_others, counts.hibernations_by_others
        ));
        return ExitCode::SUCCESS;
    }
    say(&verdict.to_string());
    if verdict.is_clean() && verdict.is_valid() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[expect(clippy::print_stdout, reason = "the answer of the command")]
fn say(text: &str) {
    println!("{text}");
}
