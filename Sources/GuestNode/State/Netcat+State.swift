// An nc on its way to another process, with TCP and with UDP: what was asked for, its sockets, what it has copied.

import Bytes
import NetStack

extension NetcatOptions: StateCoded {
    static var blank: NetcatOptions { NetcatOptions() }
    private init() {}

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.text(&host, limit: ToolStateLimit.text, "host of an nc")
        try coder.integer(&port)
        try coder.flag(&isListener)
        try coder.flag(&keepsListening)
        try coder.flag(&isUDP)
        try coder.flag(&closesAtEnd)
        try coder.flag(&isVerbose)
        try coder.flag(&isHashed)
        try coder.optional(&patternBytes)
        try coder.interval(&patience)
        try coder.optional(&localPort)
    }
}

extension Netcat {
    static let kind = "nc"
    static var blank: Netcat { Netcat(.blank) }

    mutating func code(_ coder: inout StateCoder, _ files: FileMover) throws(StateError) {
        try options.code(&coder)
        try state.code(&coder)
        try coder.instant(&lastMove)
    }
}

extension Netcat.State {
    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (kind, query, socket): (UInt8, QueryID, TCPSocketID) = (0, .blank, .blank)
        var (until, listener, copy): (Instant?, TCPSocketID?, StreamCopy?) = (nil, nil, nil)
        switch self {
        case .starting: kind = 0
        case .resolving(let id): (kind, query) = (1, id)
        case .connecting(let id, let deadline): (kind, socket, until) = (2, id, deadline)
        case .listening(let id): (kind, socket) = (3, id)
        case .talking(let open, let kept): (kind, copy, listener) = (4, open, kept)
        case .over: kind = 5
        }
        try coder.integer(&kind)
        try query.code(&coder)
        try socket.code(&coder)
        try coder.instant(&until)
        try coder.optional(&listener)
        try coder.optional(&copy)
        switch (kind, copy) {
        case (0, nil): self = .starting
        case (1, nil): self = .resolving(query)
        case (2, nil): self = .connecting(socket, until: until)
        case (3, nil): self = .listening(socket)
        case (4, let copy?): self = .talking(copy, listener: listener)
        case (5, nil): self = .over
        default: throw .impossible("state of an nc")
        }
    }
}

extension StreamCopy: StateCoded {
    static var blank: StreamCopy {
        StreamCopy(.blank, from: .standardInput, closesWithoutInput: false, isHashed: false)
    }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try socket.code(&coder)
        try source.code(&coder)
        try coder.flag(&closesWithoutInput)
        try sent.code(&coder)
        try received.code(&coder)
        try coder.flag(&isInputOver)
        try coder.flag(&isOutputOver)
    }
}

extension StreamSource {
    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (isPattern, offset, left): (Bool, UInt64, UInt64) = (false, 0, 0)
        if case .pattern(let from, let rest) = self { (isPattern, offset, left) = (true, from, rest) }
        try coder.flag(&isPattern)
        try coder.integer(&offset)
        try coder.integer(&left)
        self = isPattern ? .pattern(offset: offset, left: left) : .standardInput
    }
}

extension NetcatUDP {
    static let kind = "nc-udp"
    static var blank: NetcatUDP { NetcatUDP(.blank) }

    mutating func code(_ coder: inout StateCoder, _ files: FileMover) throws(StateError) {
        try options.code(&coder)
        try state.code(&coder)
        try sent.code(&coder)
        try received.code(&coder)
        try coder.instant(&lastMove)
        try coder.data(&pending, limit: 65_536)
        try coder.integer(&patternOffset)
        try coder.require(patternOffset <= options.patternBytes ?? .max, "pattern of an nc")
    }
}

extension NetcatUDP.State {
    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (kind, query, socket, peer): (UInt8, QueryID, UDPSocketID, Endpoint?) = (0, .blank, .blank, nil)
        switch self {
        case .starting: kind = 0
        case .resolving(let id): (kind, query) = (1, id)
        case .open(let id, let remote): (kind, socket, peer) = (2, id, remote)
        case .over: kind = 3
        }
        try coder.integer(&kind)
        try query.code(&coder)
        try socket.code(&coder)
        try coder.optional(&peer)
        switch kind {
        case 0: self = .starting
        case 1: self = .resolving(query)
        case 2: self = .open(socket, peer: peer)
        case 3: self = .over
        default: throw .impossible("state of an nc")
        }
    }
}
