//! All metric sources, shared by all autoscalers.
//!
//! In: the sources as their objects come and go, and the questions of every tick. Out: answers; the same question
//! about the same instant is asked once, however many ask it at once or after each other. Each source has its own
//! client, limits and answers, so that a slow one delays only those who use it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::OnceCell;

use super::client::{Answer, Endpoint, InstantQuery, SourceClient};
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
    sources: RwLock<HashMap<String, Arc<Source>>>,
    /// Answers in place of every source's address.
    endpoint: Option<Arc<dyn Endpoint>>,
}

impl fmt::Debug for SourcePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sources, endpoint } = self;
        f.debug_struct("SourcePool").field("sources", sources).field("within", &endpoint.is_some()).finish()
    }
}

#[derive(Debug)]
struct Source {
    settings: SourceSettings,
    client: SourceClient,
    answers: Mutex<Answers>,
    falls: Mutex<HashMap<Step, FallWatch>>,
}

/// The answers of the last minute. A cell is filled by the first who asks; the others wait for it.
#[derive(Debug, Default)]
struct Answers {
    newest: Timestamp,
    cells: HashMap<InstantQuery, Arc<OnceCell<Answer>>>,
}

impl Answers {
    fn cell(&mut self, query: &InstantQuery) -> Arc<OnceCell<Answer>> {
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
                let source = Source { settings, client, answers: Mutex::default(), falls: Mutex::default() };
                self.write(|sources| sources.insert(name, Arc::new(source)));
                Ok(())
            }
            Err(error) => {
                self.remove(&name);
                Err(error)
            }
        }
    }

    /// Forgets the source; questions under way end.
    pub fn remove(&self, name: &str) {
        self.write(|sources| sources.remove(name));
    }

    /// The answer of `source` to `query` at the latest multiple of `tick` that is not after `query.at`.
    pub async fn instant(&self, source: &str, query: &InstantQuery, tick: Step) -> Answer {
        let Some(source) = self.source(source) else { return Answer::absent(Absence::SourceNotAllowed) };
        let InstantQuery { promql, at, max_age } = query;
        let query = InstantQuery { promql: promql.clone(), at: at.floor_to(tick), max_age: *max_age };
        let cell = locked(&source.answers).cell(&query);
        cell.get_or_init(|| source.ask(&query, tick)).await.clone()
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
        self.sources.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The replaced source is dropped after the lock is released.
    fn write<T>(&self, change: impl FnOnce(&mut HashMap<String, Arc<Source>>) -> T) -> T {
        change(&mut self.sources.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Source {
    async fn ask(&self, query: &InstantQuery, tick: Step) -> Answer {
        let answer = self.client.instant(query).await;
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
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
