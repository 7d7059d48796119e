//! Which texts there are: those of `docs/`, in the order in which they are listed.

/// Where the runbooks are.
pub(super) const RUNBOOKS: &str = "runbooks/";

macro_rules! pages {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../docs/", $path, ".md")))),*]
    };
}

/// Path below `/docs/`, and Markdown.
pub(super) const PAGES: &[(&str, &str)] = pages![
    "access",
    "alerts",
    "api",
    "configuration",
    "receivers",
    "metrics",
    "runbooks/SourceBlind",
    "runbooks/BotDown",
    "runbooks/BotSilent",
    "runbooks/BotAliveButStuck",
    "runbooks/BotRestartLoop",
    "runbooks/BotOutOfMemoryKilled",
    "runbooks/ScrapeFlapping",
    "runbooks/TargetDown",
    "runbooks/ProcessNotVisible",
    "runbooks/PushedMetricHigh",
    "runbooks/PushedMetricLow",
    "runbooks/NoBotWatched",
    "runbooks/MemoryUsageHigh",
    "runbooks/CpuThrottled",
    "runbooks/FileDescriptorsHigh",
    "runbooks/EventLoopLagHigh",
    "runbooks/EventLoopBlocked",
    "runbooks/DiskSpaceLow",
    "runbooks/HostMemoryLow",
    "runbooks/ApiResponseSlow",
    "runbooks/ApiErrorRateHigh",
    "runbooks/FailedAuthenticationsHigh",
    "runbooks/DatabaseQuerySlow",
    "runbooks/DatabaseErrorRateHigh",
    "runbooks/DatabasePoolExhausted",
    "runbooks/OrderRejectRateHigh",
    "runbooks/OrderRejectStorm",
    "runbooks/StrategyErrors",
    "runbooks/PaperOrderReachedLiveVenue",
    "runbooks/PaperOrderAttemptRefused",
    "runbooks/PaperBotStatesLive",
    "runbooks/PaperSafetyScoreLow",
    "runbooks/PaperTradingViolation",
    "runbooks/PaperModeUnknown",
    "runbooks/PaperSafetyNotEvaluated",
    "runbooks/LiveCredentialsInPaper",
    "runbooks/WebSocketDisconnected",
    "runbooks/FeedSilent",
    "runbooks/ReconnectStorm",
    "runbooks/FeedLatencyHigh",
    "runbooks/MarketDataStale",
    "runbooks/PriceFrozen",
    "runbooks/BookCrossed",
    "runbooks/SequenceGap",
    "runbooks/SequenceGapStorm",
];
