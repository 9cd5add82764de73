// nc over TCP: connects or listens, copies standard input to the peer and the peer to standard
// output, reports digests. Exit status 1 when there was no connection or it broke.

import Bytes
import NetStack

/// An nc under way, TCP.
struct Netcat: RunningTool {
    enum State: Sendable {
        case starting
        case resolving(QueryID)
        case connecting(TCPSocketID, until: Instant?)
        case listening(TCPSocketID)
        /// `listener` stays open with `-k`.
        case talking(StreamCopy, listener: TCPSocketID?)
        case over
    }

    var options: NetcatOptions
    var state = State.starting
    /// When bytes last moved.
    var lastMove = Instant(nanoseconds: 0)

    init(_ options: NetcatOptions) { self.options = options }

    mutating func step(_ context: inout ToolContext, now: Instant) -> ToolStep {
        switch state {
        case .starting: return start(&context, now)
        case .resolving(let query):
            guard let result = context.host.takeResolution(query) else { return .running(until: nil) }
            guard case .success(let name) = result, let address = name.addresses.first else {
                return fail("\(options.host ?? ""): \(result.pingFailure)", &context)
            }
            return connect(to: address, &context, now)
        case .connecting(let socket, let deadline): return awaitConnection(socket, deadline, &context, now)
        case .listening(let listener):
            guard let socket = context.host.tcp.accept(listener) else { return .running(until: nil) }
            return accepted(socket, listener, &context, now)
        case .talking(var copy, let listener):
            state = .over
            let progress = copy.step(&context, now: now)
            state = .talking(copy, listener: listener)
            return follow(progress, &context, now)
        case .over: return .finished(ExitStatus.failure)
        }
    }

    mutating func interrupt(_ context: inout ToolContext, now: Instant) -> Int32 {
        switch state {
        case .resolving(let query): context.host.cancelResolve(query)
        case .talking(let copy, _): report(copy, context)
        default: break
        }
        release(context, now)
        return ExitStatus.interrupted
    }

    // MARK: getting connected

    private mutating func start(_ context: inout ToolContext, _ now: Instant) -> ToolStep {
        guard options.isListener else {
            state = .resolving(context.host.resolve(options.host ?? "", now: now))
            return step(&context, now: now)
        }
        do throws(TCPError) {
            let address = options.host.flatMap { IPAddress($0) }
            state = .listening(try context.host.tcp.listen(on: options.port, address: address, backlog: 128))
            if options.isVerbose { context.complain("Listening on \(address ?? .any) \(options.port)\n") }
            return .running(until: nil)
        } catch {
            return fail("listen on port \(options.port): \(error.reason)", &context)
        }
    }

    private mutating func connect(
        to address: IPAddress, _ context: inout ToolContext, _ now: Instant
    ) -> ToolStep {
        do throws(TCPError) {
            let local = options.localPort.map { TCPEndpoint(.any, $0) }
            let socket = try context.host.tcp.connect(to: TCPEndpoint(address, options.port), from: local, now: now)
            let deadline = options.patience.map { now + $0 }
            state = .connecting(socket, until: deadline)
            return .running(until: deadline)
        } catch {
            return failConnect(error.reason, &context, now)
        }
    }

    private mutating func awaitConnection(
        _ socket: TCPSocketID, _ deadline: Instant?, _ context: inout ToolContext, _ now: Instant
    ) -> ToolStep {
        let status = context.host.tcp.status(socket)
        if let error = status?.error { return failConnect(error.reason, &context, now) }
        guard let status, status.isConnected else {
            guard let deadline, now >= deadline else { return .running(until: deadline) }
            context.host.tcp.abort(socket, now: now)
            return failConnect(TCPError.timedOut.reason, &context, now)
        }
        if options.isVerbose {
            context.complain("Connection to \(options.host ?? "") \(options.port) port [tcp] succeeded!\n")
        }
        return talk(socket, nil, &context, now)
    }

    private mutating func accepted(
        _ socket: TCPSocketID, _ listener: TCPSocketID, _ context: inout ToolContext, _ now: Instant
    ) -> ToolStep {
        if options.isVerbose, let remote = context.host.tcp.status(socket)?.remote {
            context.complain("Connection received on \(remote.address) \(remote.port)\n")
        }
        if !options.keepsListening { context.host.tcp.release(listener, now: now) }
        return talk(socket, options.keepsListening ? listener : nil, &context, now)
    }

    private mutating func talk(
        _ socket: TCPSocketID, _ listener: TCPSocketID?, _ context: inout ToolContext, _ now: Instant
    ) -> ToolStep {
        let source = options.patternBytes.map { StreamSource.pattern(offset: 0, left: $0) } ?? .standardInput
        let copy = StreamCopy(
            socket, from: source, closesWithoutInput: options.closesAtEnd, isHashed: options.isHashed)
        state = .talking(copy, listener: listener)
        lastMove = now
        return step(&context, now: now)
    }

    // MARK: talking

    private mutating func follow(
        _ progress: StreamCopy.Progress, _ context: inout ToolContext, _ now: Instant
    ) -> ToolStep {
        switch progress {
        case .moved:
            lastMove = now
            return .again
        case .waiting:
            guard let patience = options.patience else { return .running(until: nil) }
            guard now >= lastMove + patience else { return .running(until: lastMove + patience) }
            return end("no data for \(milliseconds(patience.nanoseconds, digits: 0)) ms", &context, now)
        case .complete: return end(nil, &context, now)
        case .failed(let error): return end(error.reason, &context, now)
        case .broken(let error): return end(error.description, &context, now)
        }
    }

    /// The connection is over; `trouble` says why when it is not as it should be.
    private mutating func end(_ trouble: String?, _ context: inout ToolContext, _ now: Instant) -> ToolStep {
        guard case .talking(let copy, let listener) = state else { return .finished(ExitStatus.failure) }
        report(copy, context)
        if let trouble { context.complain("nc: \(trouble)\n") }
        if let listener {
            context.host.tcp.release(copy.socket, now: now)
            state = .listening(listener)
            return .again
        }
        release(context, now)
        return .finished(trouble == nil ? ExitStatus.success : ExitStatus.failure)
    }

    private func report(_ copy: StreamCopy, _ context: ToolContext) {
        if let line = copy.sent.report("sent") { context.report(line) }
        if let line = copy.received.report("received") { context.report(line) }
    }

    private mutating func failConnect(
        _ reason: String, _ context: inout ToolContext, _ now: Instant
    ) -> ToolStep {
        release(context, now)
        return fail("connect to \(options.host ?? "") port \(options.port) (tcp) failed: \(reason)", &context)
    }

    private mutating func fail(_ reason: String, _ context: inout ToolContext) -> ToolStep {
        state = .over
        context.complain("nc: \(reason)\n")
        return .finished(ExitStatus.failure)
    }

    /// Gives every socket back.
    private mutating func release(_ context: ToolContext, _ now: Instant) {
        let tcp = context.host.tcp
        switch state {
        case .connecting(let socket, _), .listening(let socket): tcp.release(socket, now: now)
        case .talking(let copy, let listener):
            tcp.release(copy.socket, now: now)
            if let listener { tcp.release(listener, now: now) }
        case .starting, .resolving, .over: break
        }
        state = .over
    }
}

extension TCPError {
    /// In the words of strerror(3), which is what people know.
    var reason: String {
        switch self {
        case .connectionRefused: "Connection refused"
        case .connectionReset: "Connection reset by peer"
        case .connectionAborted: "Software caused connection abort"
        case .timedOut: "Connection timed out"
        case .unreachable: "No route to host"
        case .addressLost: "Network dropped connection because of reset"
        case .addressInUse: "Address already in use"
        case .noFreePort: "Cannot assign requested address"
        case .tooManyConnections(let limit): "Too many connections (\(limit))"
        case .noBufferSpace: "No buffer space available"
        case .badDestination(let endpoint): "\(endpoint) is no destination"
        }
    }
}
