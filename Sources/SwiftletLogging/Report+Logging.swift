#if Logging
    public import Logging
    public import Swiftlet

    extension Report {
        /// Has everything that is reported written by a logger, instead of to standard error.
        ///
        /// ```swift
        /// Report.log(to: Logger(label: "swiftlet"))
        /// ```
        ///
        /// What kind of trouble it is stands in the metadata under `kind`. The logger may be called on any thread.
        public static func log(to logger: Logger) {
            setHandler { report in
                logger.log(level: report.kind.logLevel, "\(report.message)", metadata: ["kind": "\(report.kind)"])
            }
        }
    }

    extension Report.Kind {
        /// How grave it is: an error lost somebody something, a warning may have.
        public var logLevel: Logger.Level {
            switch self {
            case .deadlock, .unretrievedError, .handlerError, .callbackError, .shortage: .error
            default: .warning
            }
        }
    }
#endif
