// What `ramp` was asked to do.

import Bytes
import NetStack

/// Options of `ramp`.
struct RampOptions: Equatable, Sendable {
    /// Writes the stream; otherwise it is read and looked at.
    var isSender = false
    var isListener = false
    /// nil for a listener.
    var host: String?
    var port: UInt16 = 0
    /// Bytes a second; nil: as fast as it goes.
    var rate: UInt64?
    /// How long the stream is.
    var bytes: UInt64?
    /// How long it goes on.
    var duration: Interval?
    /// How many streams at once. Each is asked for the rest on its own, so that this is no part of what moves.
    var streams = 1

    static let streamLimit = 1000
    static let rateLimit = 1 << 36

    init(_ arguments: [String]) throws(UsageError) {
        var operands: [String] = []
        var scanner = OptionScanner(arguments, withValue: ["-n", "-t", "-P"])
        while let item = try scanner.next() {
            switch item {
            case .operand(let word): operands.append(word)
            case .option("-l"): isListener = true
            case .option("-n"): bytes = UInt64(try Self.quantity("-n", scanner.value, limit: Int.max))
            case .option("-t"): duration = try scanner.seconds("-t", atLeast: .milliseconds(1))
            case .option("-P"): streams = try Self.streams(scanner.value)
            case .option(let name): throw .unknownOption(name)
            }
        }
        try place(operands)
    }

    private mutating func place(_ operands: [String]) throws(UsageError) {
        var rest = operands[...]
        guard let verb = rest.popFirst() else { throw .missingOperand("send or check") }
        guard ["send", "check"].contains(verb) else {
            throw .badValue(option: "command", value: verb, accepted: "send or check is accepted")
        }
        isSender = verb == "send"
        if isListener, streams > 1 {
            throw .badValue(option: "-P", value: "\(streams)", accepted: "1 is accepted beside -l")
        }
        if !isListener {
            guard let name = rest.popFirst() else { throw .missingOperand("HOST and PORT") }
            host = name
        }
        guard let word = rest.popFirst() else { throw .missingOperand("PORT") }
        port = try NetcatOptions.port(word)
        if let word = rest.popFirst() { rate = UInt64(try Self.quantity("RATE", word, limit: Self.rateLimit)) }
        if let extra = rest.first { throw .extraOperand(extra) }
    }

    private static func quantity(_ name: String, _ word: String, limit: Int) throws(UsageError) -> Int {
        guard let count = byteCount(word), count > 0, count <= limit else {
            let most = limit == Int.max ? "" : " up to 64G"
            throw .badValue(option: name, value: word, accepted: "bytes such as 1000, 64K, 100M\(most) are accepted")
        }
        return count
    }

    private static func streams(_ word: String) throws(UsageError) -> Int {
        guard let count = Int(word), (1...streamLimit).contains(count) else {
            throw .badValue(option: "-P", value: word, accepted: "1…\(streamLimit) is accepted")
        }
        return count
    }
}
