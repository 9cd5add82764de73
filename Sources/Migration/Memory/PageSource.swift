// The doors to guest memory. Page numbers mean the same on both sides; what they are numbers of (guest-physical pages,
// pages of a file) is the callers' agreement.

/// Guest memory that is read while the guest may still write it.
///
/// Who writes a page marks it dirty after the write and before anybody is told of it: a page is then read again after
/// the last write. Tracking is on before a `MigrationSource` starts, and the owner switches it off when that has ended.
public protocol PageSource: AnyObject {
    /// `takeDirty` adds what was written and nothing else. Otherwise all that holds data is compared with what was sent
    /// again in each round, and how much of it is new nobody knows before.
    var isExact: Bool { get }
    /// How many pages of 4096 bytes there are.
    var pageCount: Int { get }
    /// Adds every page that may hold something else than zeros. Asked once, at the beginning.
    func populated(into pages: inout PageSet)
    /// Adds the pages that were written since the last call, and forgets them.
    func takeDirty(into pages: inout PageSet)
    /// The bytes of as many pages as lie together in memory, from the first of `pages` on, at least one; valid until
    /// the next call, and changing meanwhile.
    func bytes(of pages: Range<Int>) -> UnsafeRawBufferPointer
}

extension PageSource {
    /// Who writes marks what he writes.
    public var isExact: Bool { true }
}

/// Guest memory that nobody uses yet. All of it is zero at the beginning, and what is written afterwards comes by `write`.
public protocol PageSink: AnyObject {
    /// How many pages of 4096 bytes there are.
    var pageCount: Int { get }
    /// Whole pages from `page` on; they lie inside the memory.
    func write(_ bytes: UnsafeRawBufferPointer, at page: Int)
    /// These pages are zeros again; they lie inside the memory.
    func zero(_ pages: Range<Int>)
}
