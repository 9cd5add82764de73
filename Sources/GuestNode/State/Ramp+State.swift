// Ramps on their way to another process, each with what was asked for, its connection, its place in the stream, its gap.

import Bytes
import NetStack

extension Ramps {
    static let kind = "ramp"
    static var version: UInt16 { 2 }
    static var blank: Ramps { Ramps(.blank) }

    mutating func code(_ coder: inout StateCoder, _ files: FileMover) throws(StateError) {
        try coder.integer(&status)
        try coder.list(&streams, limit: RampOptions.streamLimit, "streams of a ramp")
        try coder.require(!streams.isEmpty, "streams of a ramp")
    }
}

extension Ramp: StateCoded {
    static var blank: Ramp { Ramp(.blank) }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try options.code(&coder)
        try state.code(&coder)
        try coder.integer(&offset)
        try coder.integer(&acknowledged)
        try coder.flag(&isClosing)
        try coder.optional(&pace)
        try gap.code(&coder)
        try coder.instant(&started)
        try coder.interval(&away)
        try coder.interval(&elapsed)
        try coder.flag(&hasBegun)
        try coder.require(away >= .zero && elapsed >= .zero, "time of a ramp")
    }
}

extension RampOptions: StateCoded {
    static var blank: RampOptions { RampOptions() }
    private init() {}

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.flag(&isSender)
        try coder.flag(&isListener)
        try coder.text(&host, limit: ToolStateLimit.text, "host of a ramp")
        try coder.integer(&port)
        try coder.optional(&rate)
        try coder.optional(&bytes)
        try coder.interval(&duration)
        try coder.require(rate.map { (1...UInt64(Self.rateLimit)).contains($0) } ?? true, "rate of a ramp")
    }
}

extension Ramp.State {
    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (kind, opening, socket): (UInt8, StreamOpening?, TCPSocketID) = (2, nil, .blank)
        switch self {
        case .opening(let open): (kind, opening) = (0, open)
        case .talking(let id): (kind, socket) = (1, id)
        case .over: kind = 2
        }
        try coder.integer(&kind)
        try coder.optional(&opening)
        try socket.code(&coder)
        switch (kind, opening) {
        case (0, let open?): self = .opening(open)
        case (1, nil): self = .talking(socket)
        case (2, nil): self = .over
        default: throw .impossible("state of a ramp")
        }
    }
}

extension StreamOpening: StateCoded {
    static var blank: StreamOpening { StreamOpening(port: 0) }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.text(&host, limit: ToolStateLimit.text, "host of a connection")
        try coder.integer(&port)
        var (kind, query, socket): (UInt8, QueryID, TCPSocketID) = (0, .blank, .blank)
        switch state {
        case .starting: kind = 0
        case .resolving(let id): (kind, query) = (1, id)
        case .connecting(let id): (kind, socket) = (2, id)
        case .listening(let id): (kind, socket) = (3, id)
        case .over: kind = 4
        }
        try coder.integer(&kind)
        try query.code(&coder)
        try socket.code(&coder)
        switch kind {
        case 0: state = .starting
        case 1: state = .resolving(query)
        case 2: state = .connecting(socket)
        case 3: state = .listening(socket)
        case 4: state = .over
        default: throw .impossible("state of a connection")
        }
    }
}

extension StreamPace: StateCoded {
    static var blank: StreamPace { StreamPace(rate: 1, due: Instant(nanoseconds: 0)) }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.integer(&rate)
        try coder.require((1...UInt64(RampOptions.rateLimit)).contains(rate), "rate of a ramp")
        try coder.instant(&due)
    }
}
