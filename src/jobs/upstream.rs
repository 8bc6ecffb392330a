//! From a source's configuration to the upstream that is asked: files of secrets are read here, at the start of each run.

use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use super::Error;
use crate::config::{Access, Auth, Config, ProxyChoice, RateWindow, Source, SourceKind};
use crate::sources;
use crate::sources::http::access::{Authorities, ClientCertificate, Credentials};
use crate::sources::http::rate::{Limiter, Schedule, Window};
use crate::sources::http::{Http, HttpSettings, Proxies, ProxyVariables};

/// What all upstreams of one run have in common.
pub(super) struct Surroundings {
    variables: ProxyVariables,
    clock: Clock,
    /// The limit on all of them together.
    limiter: Option<Arc<Limiter>>,
}

/// The time of day, counted on from the time of the call: a host's clock that is set meanwhile moves no limit.
#[derive(Clone, Copy)]
struct Clock {
    called: Timestamp,
    started: Instant,
}

impl Clock {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.started.elapsed()).unwrap_or(SignedDuration::MAX);
        self.called.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }
}

impl Surroundings {
    /// For a run that was called at `now`.
    pub(super) fn new(config: &Config, variables: &ProxyVariables, now: Timestamp) -> Self {
        let clock = Clock { called: now, started: Instant::now() };
        Surroundings { limiter: limiter(&config.rate_limit, clock), variables: variables.clone(), clock }
    }

    /// How `source` is asked; `None` for one without URLs.
    pub(super) fn settings(&self, source: &Source) -> Result<Option<HttpSettings>, Error> {
        let SourceKind::Url { urls, connections, timeout, access, .. } = &source.kind else { return Ok(None) };
        let mut settings = HttpSettings::new(urls.iter().map(|url| url.reveal().clone()).collect());
        settings.connections = *connections;
        settings.timeout = *timeout;
        settings.limiters = self.limiter.iter().cloned().chain(limiter(&access.rate_limit, self.clock)).collect();
        self.open(access, &mut settings)
            .map_err(|cause| Error::Access { of: source.name.clone(), cause: Box::new(cause) })?;
        Ok(Some(settings))
    }

    /// The upstream behind `source`; `None` for one without URLs.
    pub(super) fn connect(&self, source: &Source) -> Result<Option<Http>, Error> {
        Ok(self.settings(source)?.map(Http::new).transpose()?)
    }

    fn open(&self, access: &Access, settings: &mut HttpSettings) -> Result<(), sources::Error> {
        settings.credentials = match &access.auth {
            None => None,
            Some(Auth::BasicFile(file)) => Some(Credentials::from_basic_file(file)?),
            Some(Auth::HeaderFile(file)) => Some(Credentials::from_header_file(file)?),
        };
        settings.proxies = match &access.proxy {
            ProxyChoice::Environment => Proxies::of_variables(&self.variables)?,
            ProxyChoice::None => Proxies::none(),
            ProxyChoice::Url(proxy) => Proxies::all(proxy.reveal().clone(), self.variables.no.as_deref()),
        };
        if let Some(ca) = &access.ca {
            settings.authorities = Authorities::from_file(ca)?;
        }
        if let Some(files) = &access.client {
            settings.client_certificate = Some(ClientCertificate::from_files(&files.certificate, &files.key)?);
        }
        Ok(())
    }
}

fn limiter(windows: &[RateWindow], clock: Clock) -> Option<Arc<Limiter>> {
    let windows: Vec<_> =
        windows.iter().map(|window| Window { limit: window.limit, from: window.from, to: window.to }).collect();
    (!windows.is_empty()).then(|| Arc::new(Limiter::new(Schedule::new(windows), move || clock.now())))
}
