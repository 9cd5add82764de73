// ping: echo requests at an interval, a line for each answer, a summary (RFC 792; output as
// iputils prints it). Exit status 0 when there was an answer, 1 without one, 2 when it could not start.

import Bytes
import NetStack

/// What `ping` was asked to do.
struct PingOptions: Equatable, Sendable {
    var target = ""
    /// 0: until Ctrl-C.
    var count = 0
    var interval = Interval.seconds(1)
    /// How long the last request is waited for when nothing has answered.
    var patience = Interval.seconds(10)
    var payload = 56
    var ttl = UInt8(64)
    var isQuiet = false

    init(_ arguments: [String]) throws(UsageError) {
        var scanner = OptionScanner(arguments, withValue: ["-c", "-i", "-W", "-s", "-t"])
        while let item = try scanner.next() {
            switch item {
            case .option("-c"): count = try scanner.integer("-c", in: 1...1_000_000_000)
            case .option("-i"): interval = try scanner.seconds("-i", atLeast: .milliseconds(1))
            case .option("-W"): patience = try scanner.seconds("-W", atLeast: .milliseconds(1))
            case .option("-s"): payload = try scanner.integer("-s", in: 0...65507)
            case .option("-t"): ttl = UInt8(try scanner.integer("-t", in: 1...255))
            case .option("-q"): isQuiet = true
            case .option("-n"): break
            case .option(let name): throw .unknownOption(name)
            case .operand(let word):
                guard target.isEmpty else { throw .extraOperand(word) }
                target = word
            }
        }
        guard !target.isEmpty else { throw .missingOperand("HOST") }
    }
}

extension OptionScanner {
    /// The value as seconds with a fraction.
    func seconds(_ option: String, atLeast least: Interval) throws(UsageError) -> Interval {
        guard let time = Interval(seconds: value), time >= least else {
            throw .badValue(
                option: option, value: value,
                accepted:
                    "seconds such as 2 or 0.5, at least \(milliseconds(least.nanoseconds, digits: 0)) ms, are accepted")
        }
        return time
    }
}

/// A ping under way.
struct Ping: RunningTool {
    enum State: Equatable {
        case starting
        case resolving(QueryID)
        case pinging(EchoID)
        case over
    }

    var options: PingOptions
    var state = State.starting
    var tally = PingTally()
    var address = IPAddress.any
    var started = Instant(nanoseconds: 0)
    var nextRequest = Instant(nanoseconds: 0)
    var lastRequest = Instant(nanoseconds: 0)
    var lastEvent = Instant(nanoseconds: 0)

    init(_ options: PingOptions) { self.options = options }

    mutating func step(_ context: inout ToolContext, now: Instant) -> ToolStep {
        switch state {
        case .starting:
            state = .resolving(context.host.resolve(options.target, now: now))
            return step(&context, now: now)
        case .resolving(let query):
            guard let result = context.host.takeResolution(query) else { return .running(until: nil) }
            return begin(result, &context, now)
        case .pinging(let echo): return ping(echo, &context, now)
        case .over: return .finished(ExitStatus.failure)
        }
    }

    mutating func interrupt(_ context: inout ToolContext, now: Instant) -> Int32 {
        switch state {
        case .pinging(let echo): return finish(echo, &context, now)
        case .resolving(let query): context.host.cancelResolve(query)
        case .starting, .over: break
        }
        state = .over
        return ExitStatus.interrupted
    }

    private mutating func begin(
        _ result: Result<ResolvedName, ResolveError>, _ context: inout ToolContext, _ now: Instant
    ) -> ToolStep {
        guard case .success(let name) = result, let first = name.addresses.first else {
            return refuse("\(options.target): \(result.pingFailure)", &context)
        }
        address = first
        do throws(HostError) {
            let echo = try context.host.openEcho(to: first)
            started = now
            nextRequest = now
            context.print(
                "PING \(options.target) (\(first)) \(options.payload)(\(options.payload + 28)) bytes of data.\n")
            state = .pinging(echo)
            return ping(echo, &context, now)
        } catch {
            return refuse(error.description, &context)
        }
    }

    private mutating func refuse(_ reason: String, _ context: inout ToolContext) -> ToolStep {
        state = .over
        context.complain("ping: \(reason)\n")
        return .finished(2)
    }

    private mutating func ping(_ echo: EchoID, _ context: inout ToolContext, _ now: Instant) -> ToolStep {
        guard context.outputRoom > 0 else { return .running(until: nil) }
        while let event = context.host.nextEchoEvent(echo) { report(event, &context, now) }
        if wantsMore, now >= nextRequest, let failure = request(echo, &context, now) { return failure }
        if wantsMore { return .running(until: nextRequest) }
        if tally.outstanding == 0 { return .finished(finish(echo, &context, lastEvent)) }
        let limit = lastRequest + linger
        return now >= limit ? .finished(finish(echo, &context, now)) : .running(until: limit)
    }

    private var wantsMore: Bool { options.count == 0 || tally.transmitted < options.count }

    /// Without any answer the patience that was asked for; else twice the slowest answer, a second at least.
    private var linger: Interval {
        tally.received == 0 ? options.patience : max(tally.slowest * 2, min(options.patience, .seconds(1)))
    }

    /// Sends the next request; returns a step only when ping cannot go on.
    private mutating func request(_ echo: EchoID, _ context: inout ToolContext, _ now: Instant) -> ToolStep? {
        let sequence = UInt16(truncatingIfNeeded: tally.transmitted &+ 1)
        do throws(HostError) {
            try context.host.sendEcho(
                echo, sequence: sequence, payload: options.payload, ttl: options.ttl, now: now)
        } catch {
            if error == .queueFull {
                nextRequest = now + .milliseconds(1)
                return nil
            }
            guard case .noRoute = error else {
                context.host.closeEcho(echo)
                return refuse(error.description, &context)
            }
            context.complain("ping: sendmsg: \(error)\n")
        }
        tally.sent()
        lastRequest = now
        lastEvent = now
        // A late step does not make the ones after it come faster.
        nextRequest = max(nextRequest + options.interval, now)
        if nextRequest < now + options.interval / 2 { nextRequest = now + options.interval }
        return nil
    }

    private mutating func report(_ event: EchoEvent, _ context: inout ToolContext, _ now: Instant) {
        lastEvent = now
        switch event {
        case .reply(let reply):
            tally.accept(roundTrip: reply.roundTrip, isIntact: reply.isIntact, isDuplicate: reply.isDuplicate)
            guard !options.isQuiet else { return }
            context.print(
                "\(reply.bytes) bytes from \(reply.from): icmp_seq=\(reply.sequence) ttl=\(reply.ttl) "
                    + "time=\(PingTally.rounded(reply.roundTrip)) ms\(reply.isDuplicate ? " (DUP!)" : "")"
                    + "\(reply.isIntact ? "" : " (DAMAGED!)")\n")
        case .failed(let sequence, let error, let from):
            tally.failed()
            guard !options.isQuiet else { return }
            context.print("From \(from) icmp_seq=\(sequence) \(error)\n")
        }
    }

    private mutating func finish(_ echo: EchoID, _ context: inout ToolContext, _ end: Instant) -> Int32 {
        context.host.closeEcho(echo)
        state = .over
        context.print("\n--- \(options.target) ping statistics ---\n")
        context.print(tally.summary(duration: end.since(started)))
        return tally.received > 0 ? ExitStatus.success : ExitStatus.failure
    }
}

extension Result<ResolvedName, ResolveError> {
    /// In the words of getaddrinfo(3), which is what ping and nc print.
    var pingFailure: String {
        switch self {
        case .success, .failure(.notFound): "Name or service not known"
        case .failure(.noAddress): "No address associated with hostname"
        case .failure(.timedOut), .failure(.refused): "Temporary failure in name resolution"
        case .failure(let error): error.description
        }
    }
}
