// The conversation between a process that owns TCP sockets (the server: passt, netemu) and a helper
// that may switch TCP_REPAIR on them (passt-repair(1), netemu-repair(1)); a stream socket:
//
//      server                                   helper
//        listen(PATH)            <-- connect --
//        command, 1 byte + 1…253 descriptors -->   switches each socket
//                                <-- the same byte    (or end of file: it failed)
//        …                                            one request at a time
//        close                                  end of the migration, good or bad

/// What is to be done to the sockets of a message. The byte is signed on the wire.
public enum RepairCommand: Int8, Sendable, CaseIterable {
    /// Into repair mode.
    case on = 1
    /// Out of it, with a window probe.
    case off = 0
    /// Off, without the window probe.
    case offWithoutProbe = -1

    init?(byte: UInt8) { self.init(rawValue: Int8(bitPattern: byte)) }
    var byte: UInt8 { UInt8(bitPattern: rawValue) }
}

/// Descriptors that one message may carry (the kernel's SCM_MAX_FD).
public let repairBatchLimit = 253

/// What a conversation did.
public struct RepairCounts: Equatable, Sendable {
    /// Descriptors that came with messages.
    public var given = 0
    /// Sockets that were switched on or off.
    public var switched = 0
    /// Sockets whose address and port were freed at the end.
    public var released = 0
    /// Descriptors of batches that were refused or rolled back.
    public var failed = 0
    /// Nothing received yet.
    public init() {}
}

/// Why a conversation ended before its time.
public enum RepairError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Neither on nor off.
    case unknownCommand(Int8)
    /// A message without descriptors, or with some of them lost by the kernel.
    case descriptors(count: Int)
    /// A descriptor that is not a TCP socket.
    case notTCP(index: Int)
    /// The kernel refused: setsockopt's errno.
    case refused(command: RepairCommand, index: Int, errno: CInt)
    /// More sockets are switched on than can be kept.
    case tooMany(limit: Int)
    /// Somebody connected who may not.
    case peer(String)

    public var description: String {
        switch self {
        case .unknownCommand(let value):
            "unsupported command \(value); 1 (on), 0 (off) and -1 (off without probe) are accepted"
        case .descriptors(let count):
            "a message with \(count) whole descriptors; 1 to \(repairBatchLimit) are accepted"
        case .notTCP(let index): "descriptor \(index) of the message is no TCP socket"
        case .refused(let command, let index, let code):
            "TCP_REPAIR \(command.rawValue) on socket \(index): \(errnoText(code))"
        case .tooMany(let limit): "more than \(limit) sockets in repair mode"
        case .peer(let text): text
        }
    }
}
