// nc -u: datagrams instead of a stream. Each line typed, or each 1400 bytes of a file, is one
// datagram; a listener talks to whoever sent first. There is no end of file: `-w` or Ctrl-C ends it.

import Bytes
import NetStack

/// An nc under way, UDP.
struct NetcatUDP: RunningTool {
    enum State: Equatable {
        case starting
        case resolving(QueryID)
        case open(UDPSocketID, peer: Endpoint?)
        case over
    }

    var options: NetcatOptions
    var state = State.starting
    var sent: ByteTally
    var received: ByteTally
    var lastMove = Instant(nanoseconds: 0)
    /// A datagram that found the output queue full.
    var pending: [UInt8] = []
    var patternOffset: UInt64 = 0

    static let datagramBytes = 1400
    private static let datagramsPerStep = 64

    init(_ options: NetcatOptions) {
        self.options = options
        sent = ByteTally(isHashed: options.isHashed)
        received = ByteTally(isHashed: options.isHashed)
    }

    mutating func step(_ context: inout ToolContext, now: Instant) -> ToolStep {
        switch state {
        case .starting:
            if options.isListener { return open(nil, &context, now) }
            state = .resolving(context.host.resolve(options.host ?? "", now: now))
            return step(&context, now: now)
        case .resolving(let query):
            guard let result = context.host.takeResolution(query) else { return .running(until: nil) }
            guard case .success(let name) = result, let address = name.addresses.first else {
                return end("\(options.host ?? ""): \(result.pingFailure)", &context)
            }
            return open(Endpoint(address, options.port), &context, now)
        case .open(let socket, let peer): return talk(socket, peer, &context, now)
        case .over: return .finished(ExitStatus.failure)
        }
    }

    mutating func interrupt(_ context: inout ToolContext, now: Instant) -> Int32 {
        if case .resolving(let query) = state { context.host.cancelResolve(query) }
        _ = end(nil, &context)
        return ExitStatus.interrupted
    }

    private mutating func open(_ peer: Endpoint?, _ context: inout ToolContext, _ now: Instant) -> ToolStep {
        do throws(HostError) {
            let address = options.isListener ? options.host.flatMap { IPAddress($0) } : nil
            let port = options.isListener ? options.port : options.localPort
            let socket = try context.host.openUDP(port: port, address: address)
            state = .open(socket, peer: peer)
            lastMove = now
            if let peer { try context.host.connectUDP(socket, to: peer) }
            return step(&context, now: now)
        } catch {
            return end(error.description, &context)
        }
    }

    private mutating func talk(
        _ socket: UDPSocketID, _ peer: Endpoint?, _ context: inout ToolContext, _ now: Instant
    ) -> ToolStep {
        var peer = peer
        do throws(Trouble) {
            let hasReceived = try receive(socket, &peer, &context)
            let hasSent = try send(socket, peer, &context, now)
            state = .open(socket, peer: peer)
            if let error = context.host.statusUDP(socket)?.error { throw .path(error) }
            if hasReceived || hasSent {
                lastMove = now
                return .again
            }
            let retry = pending.isEmpty ? nil : now + .milliseconds(1)
            guard let patience = options.patience else { return .running(until: retry) }
            let limit = lastMove + patience
            return now >= limit ? end(nil, &context) : .running(until: retry.map { min($0, limit) } ?? limit)
        } catch {
            return end(error.description, &context)
        }
    }

    private mutating func receive(
        _ socket: UDPSocketID, _ peer: inout Endpoint?, _ context: inout ToolContext
    ) throws(Trouble) -> Bool {
        var hasMoved = false
        for _ in 0..<Self.datagramsPerStep where context.outputRoom >= 65536 || context.outputRoom == .max {
            var room = [UInt8](repeating: 0, count: 65536)
            guard let datagram = room.withUnsafeMutableBytes({ context.host.receiveUDP(socket, into: $0) }) else {
                break
            }
            hasMoved = true
            if peer == nil {
                peer = datagram.source
                if options.isVerbose {
                    context.complain("Connection received on \(datagram.source.address) \(datagram.source.port)\n")
                }
                do throws(HostError) {
                    try context.host.connectUDP(socket, to: datagram.source)
                } catch { throw .host(error) }
            }
            try deliver(room[..<min(room.count, datagram.length)], &context)
        }
        return hasMoved
    }

    private mutating func deliver(_ bytes: ArraySlice<UInt8>, _ context: inout ToolContext) throws(Trouble) {
        var failure: FileError?
        bytes.withUnsafeBytes { span in
            do throws(FileError) { try context.write(span) } catch { failure = error }
            received.add(span)
        }
        if let failure { throw .file(failure) }
    }

    private mutating func send(
        _ socket: UDPSocketID, _ peer: Endpoint?, _ context: inout ToolContext, _ now: Instant
    ) throws(Trouble) -> Bool {
        guard let peer else { return false }
        var hasMoved = false
        for _ in 0..<Self.datagramsPerStep {
            if pending.isEmpty { pending = try nextDatagram(context) }
            guard !pending.isEmpty else { break }
            let result = pending.withUnsafeBytes { bytes -> HostError? in
                do throws(HostError) {
                    try context.host.sendUDP(socket, to: peer, bytes, now: now)
                    return nil
                } catch { return error }
            }
            if result == .queueFull { break }
            if let result { throw .host(result) }
            pending.withUnsafeBytes { sent.add($0) }
            pending = []
            hasMoved = true
        }
        return hasMoved
    }

    /// The next bytes of input; empty when there are none now.
    private mutating func nextDatagram(_ context: ToolContext) throws(Trouble) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.datagramBytes)
        if let total = options.patternBytes {
            let count = Int(min(UInt64(bytes.count), total &- patternOffset))
            bytes.withUnsafeMutableBytes { Pattern.fill($0, from: patternOffset) }
            patternOffset &+= UInt64(count)
            return Array(bytes[..<count])
        }
        var outcome: Result<ToolContext.Reading, FileError> = .success(.nothing)
        bytes.withUnsafeMutableBytes { room in
            do throws(FileError) { outcome = .success(try context.read(into: room)) } catch {
                outcome = .failure(error)
            }
        }
        switch outcome {
        case .success(.bytes(let count)): return Array(bytes[..<count])
        case .success: return []
        case .failure(let error): throw .file(error)
        }
    }

    private mutating func end(_ trouble: String?, _ context: inout ToolContext) -> ToolStep {
        if case .open(let socket, _) = state {
            context.host.closeUDP(socket)
            if let line = sent.report("sent") { context.report(line) }
            if let line = received.report("received") { context.report(line) }
        }
        state = .over
        if let trouble { context.complain("nc: \(trouble)\n") }
        return .finished(trouble == nil ? ExitStatus.success : ExitStatus.failure)
    }

    private enum Trouble: Error, CustomStringConvertible {
        case host(HostError)
        case file(FileError)
        case path(PathError)

        var description: String {
            switch self {
            case .host(let error): error.description
            case .file(let error): error.description
            // What a socket of the kernel says after "port unreachable".
            case .path(.unreachable(3)): "Connection refused"
            case .path(let error): error.description
            }
        }
    }
}
