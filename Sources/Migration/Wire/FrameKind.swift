// What a frame of the stream can be, and how long each may be: docs/migration-format.md has the tables. A length
// outside of its kind's range is refused when the header is read, before anything is kept.

import Bytes

/// Sizes of the stream.
public enum MigrationLimits {
    /// The stream's own version, in its first bytes.
    public static let formatVersion: UInt16 = 1
    /// Bytes of a page of guest memory.
    public static let pageSize = 4096
    /// Bytes per second below which no bandwidth is kept: two pages. With less the other end would hear nothing for so
    /// long that it gives up.
    public static let leastBandwidth: UInt64 = 8192
    /// Pages of one frame.
    public static let pagesInFrame = 64
    /// Bytes of a name: of a program, a part of the machine, a card.
    public static let name = 64
    /// Bytes of a greeting, and of a report.
    public static let greeting = 65_536
    /// Parts of a machine that a greeting describes.
    public static let parts = 256
    /// Bytes of what a greeting says of one part.
    public static let part = 4096
    /// Bytes of one section's state, with Movable's own frame.
    public static let section = MovableLimits.state + 1024
    /// Sections of a stream.
    public static let sections = 1024
    /// Bytes of all sections of a stream together.
    public static let allSections = 256 << 20
    /// Bytes of a frame that came for a card in between: QEMU's longest over a stream.
    public static let arrivedFrame = 4096 + 65_536
    /// Bytes of all frames that are kept while the guest stands still, each with `arrivedOverhead`; what comes then is
    /// counted.
    public static let arrivedFrames = 4 << 20
    /// What keeping a frame costs besides its bytes.
    public static let arrivedOverhead = 128
    /// Bytes of the sentence of a failure.
    public static let text = 2000
}

/// The kinds of frames: from the source below 128, from the destination from 128 on.
enum FrameKind: UInt8, CaseIterable {
    case greeting = 1
    case pages = 2
    case zeroPages = 3
    case roundEnd = 4
    case section = 5
    case sectionPart = 6
    case arrived = 7
    case prepare = 8
    case commit = 9
    case sourceFailure = 127
    case reply = 129
    case prepared = 130
    case started = 131
    case destinationFailure = 255

    static let sectionPartLimit = 65_536

    /// Bytes of the body.
    var lengths: ClosedRange<Int> {
        switch self {
        case .greeting, .reply: 1...MigrationLimits.greeting
        case .pages: 8 + MigrationLimits.pageSize...8 + MigrationLimits.pagesInFrame * MigrationLimits.pageSize
        case .zeroPages: 16...16
        case .roundEnd: 12...12
        case .section: 8...8 + MigrationLimits.name
        case .sectionPart: 1...Self.sectionPartLimit
        case .arrived: 8...8 + MigrationLimits.name + MigrationLimits.arrivedFrame
        case .prepare: 4...4
        case .commit: 5...5
        case .prepared: 0...0
        case .started: 0...MigrationLimits.greeting
        case .sourceFailure, .destinationFailure: 0...MigrationLimits.text
        }
    }

    var isFromSource: Bool { rawValue < 128 }
}

/// Why bytes are no stream, or not this one.
public enum StreamFault: Error, Equatable, Sendable, CustomStringConvertible {
    /// The first four bytes are another protocol's.
    case magic(UInt32)
    /// A stream of another version.
    case format(UInt16)
    /// Both ends send, or both receive.
    case direction
    /// No frame of this stream has this kind.
    case kind(UInt8)
    /// A length that a frame of this kind cannot have.
    case length(kind: UInt8, UInt32)
    /// Bytes changed on the way.
    case checksum(kind: UInt8)
    /// A frame is missing, or came twice.
    case number(expected: UInt16, found: UInt16)
    /// A frame that means nothing here.
    case unexpected(kind: UInt8)
    /// What a frame says cannot be: what of it.
    case content(String)

    public var description: String {
        switch self {
        case .magic(let word): "unknown channel magic: \(word)"
        case .format(let version):
            "the stream has version \(version); this program reads version \(MigrationLimits.formatVersion)"
        case .direction: "the other end is of the same kind: one has to send, the other one to receive"
        case .kind(let kind): "the stream is damaged: no frame is of kind \(kind)"
        case .length(let kind, let length): "the stream is damaged: a frame of kind \(kind) has \(length) bytes"
        case .checksum(let kind): "the stream is damaged: the checksum of a frame of kind \(kind) is wrong"
        case .number(let expected, let found): "the stream is damaged: frame \(found) where frame \(expected) belongs"
        case .unexpected(let kind): "the stream is damaged: a frame of kind \(kind) has no place here"
        case .content(let what): "the stream is damaged: \(what)"
        }
    }
}

/// The first bytes of each direction: magic, version, who sends.
struct Preamble: Equatable {
    static let magic: [UInt8] = Array("NETEMU\r\n".utf8)
    static let size = 12

    var version = MigrationLimits.formatVersion
    var isFromSource: Bool

    var bytes: [UInt8] {
        Self.magic + [UInt8(version >> 8), UInt8(version & 0xff), 0, isFromSource ? 1 : 2]
    }

    /// Says whether `bytes`, the first ones of a stream, may become the other end's preamble: a wrong one is found with
    /// its first wrong byte.
    static func check(_ bytes: UnsafeRawBufferPointer, expectSource: Bool) throws(StreamFault) {
        let seen = min(bytes.count, magic.count)
        if !bytes[..<seen].elementsEqual(magic[..<seen]) {
            guard bytes.count >= 4 else { return }
            throw .magic(bytes[..<4].reduce(0) { $0 << 8 | UInt32($1) })
        }
        guard bytes.count >= size else { return }
        let version = UInt16(bytes[8]) << 8 | UInt16(bytes[9])
        guard version == MigrationLimits.formatVersion else { throw .format(version) }
        let role = UInt16(bytes[10]) << 8 | UInt16(bytes[11])
        guard role == 1 || role == 2 else { throw .content("nobody's end is of kind \(role)") }
        guard (role == 1) == expectSource else { throw .direction }
    }
}

/// In front of each body: kind, zero, number, length, checksum.
enum FrameHeader {
    static let size = 12
    static let longestFrame = size + 8 + MigrationLimits.pagesInFrame * MigrationLimits.pageSize
    /// What every frame but pages fits into.
    static let longestOther = size + 8 + MigrationLimits.name + MigrationLimits.arrivedFrame
}
