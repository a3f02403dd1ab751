#if Logging
    import HTTPTypes
    public import Logging
    import Swiftlet
    public import SwiftletHTTP

    extension HTTPAccess {
        /// Writes an entry of a server's access log.
        ///
        /// ```swift
        /// configuration.accessLog = { $0.log(to: logger) }
        /// ```
        ///
        /// Metadata: `remote`, `method`, `target`, `status`, `bytes`, `duration_s`. What was refused before it was a whole
        /// request has no method and no target.
        public func log(to logger: Logger, level: Logger.Level = .info) {
            // Before anything is put together: most programs log less than this.
            guard logger.logLevel <= level else { return }
            var metadata: Logger.Metadata = [
                "remote": "\(remoteAddress.host)", "status": "\(status.code)", "bytes": "\(byteCount)",
                "duration_s": "\(duration / .seconds(1))",
            ]
            metadata["method"] = method.map { "\($0.rawValue)" }
            metadata["target"] = target.map { "\($0)" }
            logger.log(level: level, "\(description)", metadata: metadata)
        }
    }
#endif
