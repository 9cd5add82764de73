// A ping on its way to another process: what was asked for, how far it is, what it has counted.

import Bytes
import NetStack

extension Ping {
    static let kind = "ping"
    static var blank: Ping { Ping(PingOptions()) }

    mutating func code(_ coder: inout StateCoder, _ files: FileMover) throws(StateError) {
        try options.code(&coder)
        try state.code(&coder)
        try tally.code(&coder)
        try address.code(&coder)
        try coder.instant(&started)
        try coder.instant(&nextRequest)
        try coder.instant(&lastRequest)
        try coder.instant(&lastEvent)
    }
}

extension PingOptions {
    init() {}

    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.text(&target, limit: ToolStateLimit.text, "target of a ping")
        try coder.count(&count, in: 0...1_000_000_000, "count of a ping")
        try coder.interval(&interval)
        try coder.interval(&patience)
        try coder.require(interval >= .milliseconds(1) && patience >= .zero, "interval of a ping")
        try coder.count(&payload, in: 0...65_507, "payload of a ping")
        try coder.integer(&ttl)
        try coder.flag(&isQuiet)
    }
}

extension Ping.State {
    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (kind, query, echo): (UInt8, QueryID, EchoID) = (0, .blank, .blank)
        switch self {
        case .starting: kind = 0
        case .resolving(let id): (kind, query) = (1, id)
        case .pinging(let id): (kind, echo) = (2, id)
        case .over: kind = 3
        }
        try coder.integer(&kind)
        try query.code(&coder)
        try echo.code(&coder)
        switch kind {
        case 0: self = .starting
        case 1: self = .resolving(query)
        case 2: self = .pinging(echo)
        case 3: self = .over
        default: throw .impossible("state of a ping")
        }
    }
}

extension PingTally {
    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        let range = 0...Int(Int32.max)
        try coder.count(&transmitted, in: range, "requests of a ping")
        try coder.count(&received, in: range, "replies of a ping")
        try coder.count(&duplicates, in: range, "replies of a ping")
        try coder.count(&damaged, in: range, "replies of a ping")
        try coder.count(&errors, in: range, "errors of a ping")
        try coder.interval(&slowest)
        try coder.interval(&fastest)
        try coder.integer(&sum)
        try coder.integer(&sumOfSquares)
        try coder.integer(&measured)
        try coder.require(measured >= 0 && sum >= 0 && sumOfSquares >= 0, "times of a ping")
    }
}
