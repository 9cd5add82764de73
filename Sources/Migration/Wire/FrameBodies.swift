// The bodies of the smaller frames, both directions. Untrusted bytes become values that cannot be wrong.

import Bytes

/// A frame that came for a card while the guest was on its way.
public struct ArrivedFrame: Equatable, Sendable {
    /// As both sides call the card.
    public var card: String
    /// The whole Ethernet frame.
    public var bytes: [UInt8]

    /// A frame for this card.
    public init(card: String, bytes: [UInt8]) {
        self.card = card
        self.bytes = bytes
    }

    var encoded: [UInt8] {
        var out = StateEncoder()
        out.data(card.utf8)
        out.data(bytes)
        return out.bytes
    }

    init(from body: UnsafeRawBufferPointer) throws(StateError) {
        var input = StateDecoder(body)
        card = try input.name()
        bytes = try input.data(limit: MigrationLimits.arrivedFrame)
        try input.finish()
    }
}

/// A run of pages: `count` from `first` on.
struct PageRun {
    let pages: Range<Int>

    /// - Parameter total: pages that there are.
    init(first: UInt64, count: UInt64, of total: Int) throws(StreamFault) {
        guard count > 0, first < UInt64(total), count <= UInt64(total) - first else {
            throw .content("pages \(first) + \(count) of \(total)")
        }
        pages = Int(first)..<Int(first + count)
    }

    /// The body of a frame of pages or of zero pages, without the pages themselves.
    init(_ frame: LentFrame, of total: Int) throws(StreamFault) {
        let first = frame.body.loadUnaligned(as: UInt64.self).bigEndian
        var count = UInt64(frame.body.count - 8) / UInt64(MigrationLimits.pageSize)
        if frame.kind == .zeroPages {
            count = frame.body.loadUnaligned(fromByteOffset: 8, as: UInt64.self).bigEndian
        } else if frame.body.count % MigrationLimits.pageSize != 8 {
            throw .content("\(frame.body.count - 8) bytes of pages")
        }
        try self.init(first: first, count: count, of: total)
    }
}

/// The beginning of a section: its name and how many bytes follow in parts.
struct SectionHead: Equatable {
    var name: String
    var length: Int

    var encoded: [UInt8] {
        var out = StateEncoder()
        out.data(name.utf8)
        out.integer(UInt32(clamping: length))
        return out.bytes
    }

    init(_ section: MigrationSection) {
        name = section.name
        length = section.bytes.count
    }

    init(from body: UnsafeRawBufferPointer) throws(StateError) {
        var input = StateDecoder(body)
        name = try input.name()
        length = Int(try input.integer(UInt32.self))
        try input.finish()
        guard !name.isEmpty else { throw .impossible("the name of a section") }
        guard length <= MigrationLimits.section else { throw .impossible("the length of a section") }
    }
}

/// COMMIT: how many sections there were, and whether anybody answered.
struct CommitBody: Equatable {
    var sections: UInt32
    var isSnapshot: Bool

    var encoded: [UInt8] {
        var out = StateEncoder()
        out.integer(sections)
        out.flag(isSnapshot)
        return out.bytes
    }

    init(sections: Int, isSnapshot: Bool) {
        self.sections = UInt32(clamping: sections)
        self.isSnapshot = isSnapshot
    }

    init(from body: UnsafeRawBufferPointer) throws(StateError) {
        var input = StateDecoder(body)
        sections = try input.integer()
        isSnapshot = try input.flag()
        try input.finish()
    }
}

extension StreamFault {
    /// Reads a body; what it cannot be becomes a fault of the stream.
    static func reading<Value>(
        _ what: String, _ body: () throws(StateError) -> Value
    ) throws(StreamFault) -> Value {
        do throws(StateError) { return try body() } catch { throw .content("\(what) (\(error))") }
    }
}
