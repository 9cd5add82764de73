// What `nc` was asked to do: OpenBSD's options where there is one, and two of our own
// (`--sha256`, `--send-bytes`; to discard what comes is `> /dev/null`).

import Bytes
import NetStack

/// Options of `nc`.
struct NetcatOptions: Equatable, Sendable {
    var host: String?
    var port: UInt16 = 0
    var isListener = false
    /// Goes back to listening after each connection.
    var keepsListening = false
    var isUDP = false
    /// Closes its sending side at the end of input even when there is no input at all.
    var closesAtEnd = false
    var isVerbose = false
    var isHashed = false
    /// Sends so many bytes of a pattern instead of standard input.
    var patternBytes: UInt64?
    /// For connecting, and for silence afterwards.
    var patience: Interval?
    /// The local port of a client.
    var localPort: UInt16?

    init(_ arguments: [String]) throws(UsageError) {
        var operands: [String] = []
        var portOption: UInt16?
        var scanner = OptionScanner(arguments, withValue: ["-p", "-w", "--send-bytes"])
        while let item = try scanner.next() {
            switch item {
            case .operand(let word): operands.append(word)
            case .option("-p"): portOption = try Self.port(scanner.value)
            case .option("-w"): patience = try scanner.seconds("-w", atLeast: .milliseconds(1))
            case .option("--send-bytes"):
                guard let count = byteCount(scanner.value) else {
                    throw .badValue(
                        option: "--send-bytes", value: scanner.value,
                        accepted: "bytes such as 1000, 64K, 100M are accepted")
                }
                patternBytes = UInt64(count)
            case .option(let name): try set(name)
            }
        }
        try place(operands, portOption)
    }

    private mutating func set(_ name: String) throws(UsageError) {
        switch name {
        case "-l": isListener = true
        case "-k": keepsListening = true
        case "-u": isUDP = true
        case "-N": closesAtEnd = true
        case "-v": isVerbose = true
        case "-n", "-4": break
        case "--sha256": isHashed = true
        default: throw .unknownOption(name)
        }
    }

    private mutating func place(_ operands: [String], _ portOption: UInt16?) throws(UsageError) {
        if operands.count > 2 { throw .extraOperand(operands[2]) }
        if isListener {
            if operands.count == 2 || portOption != nil { host = operands.first }
            if let portOption {
                if operands.count == 2 { throw .extraOperand(operands[1]) }
                port = portOption
            } else {
                guard let word = operands.last else { throw .missingOperand("PORT") }
                port = try Self.port(word)
            }
            if let host, IPAddress(host) == nil {
                throw .badValue(option: "address", value: host, accepted: "an IPv4 address is accepted")
            }
        } else {
            guard operands.count == 2 else { throw .missingOperand(operands.isEmpty ? "HOST and PORT" : "PORT") }
            if keepsListening { throw .badValue(option: "-k", value: "", accepted: "it goes with -l") }
            host = operands[0]
            port = try Self.port(operands[1])
            localPort = portOption
        }
    }

    static func port(_ word: String) throws(UsageError) -> UInt16 {
        guard let port = UInt16(word), port > 0 else {
            throw .badValue(option: "port", value: word, accepted: "1…65535 is accepted")
        }
        return port
    }
}
