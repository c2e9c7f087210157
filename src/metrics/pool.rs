//! All metric sources, shared by all autoscalers.
//!
//! In: the sources as their objects come and go, and the questions of every tick. Out: answers; the same question
//! about the same instant is asked once, however many ask it at once or after each other. Each source has its own
//! client, limits and answers, so that a slow one delays only those who use it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::OnceCell;

use super::client::{Answer, Endpoint, Exact, InstantQuery, SourceClient};
use super::history::HistoryQuery;
use super::settings::{SourceError, SourceSettings};
use super::suspect::FallWatch;
use crate::decide::evidence::{Absence, Reading};
use crate::units::{Span, Step, Timestamp};

/// Answers this much older than the newest question are forgotten: ticks of one minute and their stragglers.
const KEEP: Span = Span::from_minutes(1);
/// Answers kept of one source at most; 10,000 autoscalers with 8 metrics ask 80,000 questions a tick at most.
const ANSWERS_MAX: usize = 100_000;

/// The sources by name.
#[derive(Default)]
pub struct SourcePool {
    sources: RwLock<HashMap<String, Known>>,
    /// Answers in place of every source's address.
    endpoint: Option<Arc<dyn Endpoint>>,
}

impl fmt::Debug for SourcePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sources, endpoint } = self;
        f.debug_struct("SourcePool").field("sources", sources).field("within", &endpoint.is_some()).finish()
    }
}

/// A source, or why it cannot be used.
type Known = Result<Arc<Source>, String>;

#[derive(Debug)]
struct Source {
    settings: SourceSettings,
    client: SourceClient,
    answers: Mutex<Answers<Answer>>,
    exact: Mutex<Answers<Exact>>,
    falls: Mutex<HashMap<Step, FallWatch>>,
    answered: Mutex<Option<Timestamp>>,
}

/// The answers of the last minute. A cell is filled by the first who asks; the others wait for it.
#[derive(Debug)]
struct Answers<T> {
    newest: Timestamp,
    cells: HashMap<InstantQuery, Arc<OnceCell<T>>>,
}

impl<T> Default for Answers<T> {
    fn default() -> Self {
        Self { newest: Timestamp::default(), cells: HashMap::new() }
    }
}

impl<T> Answers<T> {
    fn cell(&mut self, query: &InstantQuery) -> Arc<OnceCell<T>> {
        if query.at > self.newest {
            self.newest = query.at;
            let oldest = query.at.minus(KEEP);
            self.cells.retain(|kept, _| kept.at >= oldest);
        } else if query.at < self.newest.minus(KEEP) {
            // The clock stepped back: what is kept belongs to a time that is yet to come.
            self.newest = query.at;
            self.cells.clear();
        }
        if self.cells.len() >= ANSWERS_MAX {
            self.cells.clear();
        }
        Arc::clone(self.cells.entry(query.clone()).or_default())
    }
}

impl SourcePool {
    /// A pool without sources.
    pub fn new() -> Self {
        Self::default()
    }

    /// A pool without sources, in which every source that is added is `endpoint`, whatever its address.
    pub fn within(endpoint: Arc<dyn Endpoint>) -> Self {
        Self { sources: RwLock::default(), endpoint: Some(endpoint) }
    }

    /// Adds the source or replaces the one of its name, for questions from now on; those under way end with the old
    /// settings. Equal settings change nothing and keep the answers and connections.
    ///
    /// # Errors
    /// [`SourceError::Settings`] when they are wrong. Then the name has no source: one that its administrator
    /// changed must not be asked with what was there before.
    pub fn set(&self, settings: SourceSettings) -> Result<(), SourceError> {
        if self.source(&settings.name).is_some_and(|source| source.settings == settings) {
            return Ok(());
        }
        let name = settings.name.clone();
        let client = match &self.endpoint {
            None => SourceClient::new(settings.clone()),
            Some(endpoint) => Ok(SourceClient::within(settings.clone(), Arc::clone(endpoint))),
        };
        match client {
            Ok(client) => {
                let source = Source {
                    settings,
                    client,
                    answers: Mutex::default(),
                    exact: Mutex::default(),
                    falls: Mutex::default(),
                    answered: Mutex::default(),
                };
                self.write(|sources| sources.insert(name, Ok(Arc::new(source))));
                Ok(())
            }
            Err(error) => {
                self.refuse(&name, error.to_string());
                Err(error)
            }
        }
    }

    /// Forgets the source; questions under way end.
    pub fn remove(&self, name: &str) {
        self.write(|sources| sources.remove(name));
    }

    /// As `remove`; whoever asks it from now on is told `problem`.
    pub fn refuse(&self, name: &str, problem: String) {
        self.write(|sources| sources.insert(name.to_owned(), Err(problem)));
    }

    /// Why the source cannot be used, if it was refused.
    pub fn problem(&self, name: &str) -> Option<String> {
        self.known(name).and_then(Result::err)
    }

    /// The instant of the last query that the source gave an answer to, be it a number or that there is none.
    pub fn answered_at(&self, name: &str) -> Option<Timestamp> {
        self.source(name).and_then(|source| *locked(&source.answered))
    }

    /// Asks the source for the number one at `now`.
    pub async fn probe(&self, name: &str, now: Timestamp) -> Answer {
        let Some(source) = self.source(name) else { return self.no_source(name) };
        let query = InstantQuery { promql: "vector(1)".to_owned(), at: now, max_age: KEEP };
        let answer = source.client.instant(&query).await;
        source.note(now, &answer);
        answer
    }

    /// The answer of `source` to `query` at the latest multiple of `tick` that is not after `query.at`.
    pub async fn instant(&self, source: &str, query: &InstantQuery, tick: Step) -> Answer {
        let Some(source) = self.source(source) else { return self.no_source(source) };
        let InstantQuery { promql, at, max_age } = query;
        let query = InstantQuery { promql: promql.clone(), at: at.floor_to(tick), max_age: *max_age };
        let cell = locked(&source.answers).cell(&query);
        cell.get_or_init(|| source.ask(&query, tick)).await.clone()
    }

    /// The number that `source` gives for `query`, digit by digit, at the latest multiple of `tick` that is not after
    /// `query.at`. It is no demand: its falls say nothing of the source.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub async fn exact(&self, source: &str, query: &InstantQuery, tick: Step) -> Exact {
        let Some(source) = self.source(source) else {
            return Err(self.no_source(source).note.unwrap_or_default());
        };
        let InstantQuery { promql, at, max_age } = query;
        let query = InstantQuery { promql: promql.clone(), at: at.floor_to(tick), max_age: *max_age };
        let cell = locked(&source.exact).cell(&query);
        cell.get_or_init(|| source.client.exact(&query)).await.clone()
    }

    /// The history of a query; see [`SourceClient::history`]. It is not kept.
    ///
    /// # Errors
    /// [`SourceError`] as there, or when there is no such source.
    pub async fn history(
        &self,
        source: &str,
        query: &HistoryQuery,
    ) -> Result<Vec<(Timestamp, f64)>, SourceError> {
        match self.source(source) {
            Some(source) => source.client.history(query).await,
            None => Err(SourceError::Query {
                name: source.to_owned(),
                absence: Absence::SourceNotAllowed,
                note: Absence::SourceNotAllowed.words().to_owned(),
            }),
        }
    }

    /// Whether many of the source's series that are read every `tick` have just fallen at once.
    pub fn is_suspect(&self, source: &str, tick: Step, now: Timestamp) -> bool {
        let Some(source) = self.source(source) else { return false };
        let falls = locked(&source.falls);
        falls.get(&tick).is_some_and(|watch| watch.is_suspect(now))
    }

    fn source(&self, name: &str) -> Option<Arc<Source>> {
        self.known(name).and_then(Result::ok)
    }

    fn known(&self, name: &str) -> Option<Known> {
        self.sources.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn no_source(&self, name: &str) -> Answer {
        let answer = Answer::absent(Absence::SourceNotAllowed);
        Answer { note: self.problem(name).or(answer.note), ..answer }
    }

    /// The replaced source is dropped after the lock is released.
    fn write<T>(&self, change: impl FnOnce(&mut HashMap<String, Known>) -> T) -> T {
        change(&mut self.sources.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Source {
    async fn ask(&self, query: &InstantQuery, tick: Step) -> Answer {
        let answer = self.client.instant(query).await;
        self.note(query.at, &answer);
        // A partial answer is not a fall of the source's series: it says itself that it is too low.
        if let Reading::Value { value, partial: false, .. } = answer.reading {
            let mut falls = locked(&self.falls);
            falls.entry(tick).or_insert_with(|| FallWatch::new(tick.span())).note(
                &query.promql,
                query.at,
                value,
            );
        }
        answer
    }

    /// A number that is missing or of no use is an answer too; silence, a refusal and nonsense are none.
    fn note(&self, at: Timestamp, answer: &Answer) {
        let silent = matches!(
            answer.reading,
            Reading::Absent(Absence::Unreachable | Absence::SourceError | Absence::Malformed)
        );
        if !silent {
            let mut answered = locked(&self.answered);
            *answered = (*answered).max(Some(at));
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
