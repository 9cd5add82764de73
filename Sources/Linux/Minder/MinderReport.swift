// What the minder tells netemu; the layout is in MinderMessage.swift.

/// News from the minder.
package enum MinderReport: Equatable {
    /// Its first word. The directory's descriptor travels beside it.
    case ready(path: String)
    /// No run-time directory, or no loop: it has ended.
    case cannotPrepare(SystemError)
    /// The child's pidfd travels beside it.
    case started(id: UInt32, pid: Int32)
    case failed(id: UInt32, SpawnError)
    case line(id: UInt32, String)
    case dropped(id: UInt32, Int)
    case ended(id: UInt32, ProcessEnd)

    package var message: MinderMessage {
        switch self {
        case .ready(let path): MinderMessage(kind: 16, words: [path])
        case .cannotPrepare(let error): MinderMessage(kind: 17, value: error.code, words: [error.call, error.subject])
        case .started(let id, let pid): MinderMessage(kind: 18, id: id, value: pid)
        case .failed(let id, let error): Self.message(of: error, id)
        case .line(let id, let text): MinderMessage(kind: 20, id: id, words: [text])
        case .dropped(let id, let count): MinderMessage(kind: 21, id: id, value: Int32(clamping: count))
        case .ended(let id, .exited(let status)): MinderMessage(kind: 22, flag: 0, id: id, value: status)
        case .ended(let id, .signalled(let number)): MinderMessage(kind: 22, flag: 1, id: id, value: number)
        }
    }

    private static func message(of error: SpawnError, _ id: UInt32) -> MinderMessage {
        switch error {
        case .system(let error):
            MinderMessage(kind: 19, flag: 0, id: id, value: error.code, words: [error.call, error.subject])
        case .refused(let reason): MinderMessage(kind: 19, flag: 1, id: id, words: [reason, ""])
        case .tooLarge(let what): MinderMessage(kind: 19, flag: 2, id: id, words: [what, ""])
        case .noMinder, .threads: MinderMessage(kind: 19, flag: 3, id: id, words: ["", ""])
        }
    }

    /// - Parameter descriptorCount: how many came with the packet.
    package init?(_ message: MinderMessage, descriptorCount: Int) {
        let wanted = message.kind == 16 || message.kind == 18 ? 1 : 0
        guard descriptorCount == wanted, message.numbers.isEmpty,
            let report = Self.reading(message, words: message.words)
        else { return nil }
        self = report
    }

    /// The child that has been started, of a report whose descriptor did not arrive; nil for any other.
    static func startedChild(in message: MinderMessage) -> UInt32? {
        guard case .started(let id, _)? = MinderReport(message, descriptorCount: 1) else { return nil }
        return id
    }

    private static func reading(_ message: MinderMessage, words: [String]) -> MinderReport? {
        switch (message.kind, words.count) {
        case (16, 1) where words[0].utf8.first == UInt8(ascii: "/"): .ready(path: words[0])
        case (17, 2): .cannotPrepare(SystemError(call: words[0], code: message.value, subject: words[1]))
        case (18, 0) where message.value > 0: .started(id: message.id, pid: message.value)
        case (19, 2): error(message, words).map { .failed(id: message.id, $0) }
        case (20, 1): .line(id: message.id, words[0])
        case (21, 0) where message.value > 0: .dropped(id: message.id, Int(message.value))
        case (22, 0): end(message).map { .ended(id: message.id, $0) }
        default: nil
        }
    }

    private static func error(_ message: MinderMessage, _ words: [String]) -> SpawnError? {
        switch message.flag {
        case 0: .system(SystemError(call: words[0], code: message.value, subject: words[1]))
        case 1: .refused(words[0])
        case 2: .tooLarge(words[0])
        case 3: .noMinder
        default: nil
        }
    }

    private static func end(_ message: MinderMessage) -> ProcessEnd? {
        switch message.flag {
        case 0 where (0...255).contains(message.value): .exited(message.value)
        case 1 where (1...64).contains(message.value): .signalled(message.value)
        default: nil
        }
    }
}
