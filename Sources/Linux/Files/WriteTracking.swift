// All who write one memory while it is copied: those of this process mark in one log, every other process has one of its
// own, so that none can take back what another has marked. When somebody writes who does not mark, that is known, and
// whoever copies compares instead.

/// What was written to a memory since it was last asked.
public final class WriteTracking {
    /// Pages of the memory.
    public let pageCount: Int
    /// Where the writers of this process mark.
    public let own: DirtyLog
    private var others: [DirtyLog] = []
    /// Why not all who write mark; nil: they do.
    public private(set) var gap: String?
    /// Called before marks are taken: who knows better than at each write what he has written marks it now.
    public var onTake: (() -> Void)?

    /// From now on.
    public init(pageCount: Int) throws(SystemError) {
        self.pageCount = max(0, pageCount)
        own = try DirtyLog(pageCount: self.pageCount, isShared: false)
    }

    /// Everything that is written is marked, since the beginning.
    public var isExact: Bool { gap == nil }

    /// A log in which another process marks from now on; what is in it already counts.
    public func add(_ log: DirtyLog) { others.append(log) }

    /// Somebody writes, or has written, who does not mark: marks do not tell everything any more.
    public func lose(_ reason: String) { gap = gap ?? reason }

    /// Takes all marks: `body` is called with words of 64 pages and their numbers, more than once for some.
    public func take(_ body: (_ index: Int, _ word: UInt64) -> Void) {
        onTake?()
        own.take(body)
        for log in others { log.take(body) }
    }
}
