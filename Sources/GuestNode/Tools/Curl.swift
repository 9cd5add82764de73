// curl: one GET over HTTP/1.1 (RFC 9110, 9.3.1; RFC 9112), redirects followed when asked for.
// A connection per request, closed by the server after its answer (RFC 9112, 9.6). Exit statuses
// and words are curl's.

import Bytes
import NetStack

/// A curl under way.
struct Curl: RunningTool {
    enum State: Sendable {
        case starting
        case resolving(QueryID)
        case connecting(TCPSocketID, since: Instant)
        /// So many bytes of the request have been sent.
        case asking(TCPSocketID, sent: Int)
        case answering(TCPSocketID)
        case over
    }

    var options: CurlOptions
    var state = State.starting
    var url: HTTPURL?
    var redirects = 0
    var started: Instant?
    var request: [UInt8] = []
    var response: CurlResponse

    init(_ options: CurlOptions) {
        self.options = options
        response = CurlResponse(options)
    }

    mutating func step(_ context: inout ToolContext, now: Instant) -> ToolStep {
        let started = self.started ?? now
        self.started = started
        do throws(CurlFailure) {
            if let patience = options.patience, now >= started + patience { throw timeout(patience) }
            let result = try advance(&context, now)
            guard case .running(let until) = result, let patience = options.patience else { return result }
            let limit = started + patience
            return .running(until: until.map { min($0, limit) } ?? limit)
        } catch {
            return fail(error, &context, now)
        }
    }

    mutating func interrupt(_ context: inout ToolContext, now: Instant) -> Int32 {
        if case .resolving(let query) = state { context.host.cancelResolve(query) }
        release(context, now)
        response.close(context)
        return ExitStatus.interrupted
    }

    private mutating func advance(_ context: inout ToolContext, _ now: Instant) throws(CurlFailure) -> ToolStep {
        switch state {
        case .starting:
            try beginTyped(context, now)
            return try advance(&context, now)
        case .resolving(let query): return try resolved(query, &context, now)
        case .connecting(let socket, let since): return try connected(socket, since, &context, now)
        case .asking(let socket, let sent): return try ask(socket, sent, &context, now)
        case .answering(let socket): return try answer(socket, &context, now)
        case .over: return .finished(ExitStatus.failure)
        }
    }

    // MARK: the steps of a request

    /// The URL that was typed alone names the file of `-O`: where redirects lead is the server's choice.
    private mutating func beginTyped(_ context: ToolContext, _ now: Instant) throws(CurlFailure) {
        let typed: HTTPURL
        do throws(URLError) { typed = try HTTPURL(options.url) } catch { throw CurlFailure(error) }
        do throws(FileError) { try response.nameFile(after: typed) } catch { throw .write(error) }
        begin(typed, context, now)
    }

    private mutating func begin(_ url: HTTPURL, _ context: ToolContext, _ now: Instant) {
        self.url = url
        response.begin()
        var lines = ["GET \(url.target) HTTP/1.1"]
        let given = options.headers.map { $0.prefix { $0 != ":" }.lowercased() }
        let usual = [
            ("Host", url.authority), ("User-Agent", "curl/8 (netemu)"), ("Accept", "*/*"), ("Connection", "close"),
        ]
        for (name, value) in usual where !given.contains(name.lowercased()) { lines.append("\(name): \(value)") }
        request = Array((lines + options.headers).joined(separator: "\r\n").utf8) + Array("\r\n\r\n".utf8)
        state = .resolving(context.host.resolve(url.host, now: now))
    }

    private mutating func resolved(
        _ query: QueryID, _ context: inout ToolContext, _ now: Instant
    ) throws(CurlFailure) -> ToolStep {
        guard let result = context.host.takeResolution(query) else { return .running(until: nil) }
        guard let url, case .success(let name) = result, let address = name.addresses.first else {
            throw .noSuchHost(url?.host ?? "")
        }
        do throws(TCPError) {
            let socket = try context.host.tcp.connect(to: TCPEndpoint(address, url.port), now: now)
            state = .connecting(socket, since: now)
        } catch { throw .connect(url.host, url.port, error.reason) }
        return try advance(&context, now)
    }

    private mutating func connected(
        _ socket: TCPSocketID, _ since: Instant, _ context: inout ToolContext, _ now: Instant
    ) throws(CurlFailure) -> ToolStep {
        let status = context.host.tcp.status(socket)
        if let error = status?.error {
            if error == .timedOut { throw .timeout("Connection timed out") }
            throw .connect(url?.host ?? "", url?.port ?? 0, error.reason)
        }
        guard let status, status.isConnected else {
            guard let patience = options.connectPatience else { return .running(until: nil) }
            guard now >= since + patience else { return .running(until: since + patience) }
            context.host.tcp.abort(socket, now: now)
            throw .timeout(
                "Connection timed out after \(milliseconds(now.since(since).nanoseconds, digits: 0)) milliseconds")
        }
        state = .asking(socket, sent: 0)
        return try advance(&context, now)
    }

    private mutating func ask(
        _ socket: TCPSocketID, _ sent: Int, _ context: inout ToolContext, _ now: Instant
    ) throws(CurlFailure) -> ToolStep {
        let taken = request.withUnsafeBytes {
            context.host.tcp.send(socket, UnsafeRawBufferPointer(rebasing: $0[sent...]), now: now)
        }.count
        let total = sent + taken
        if total < request.count, context.host.tcp.status(socket)?.error == nil {
            state = .asking(socket, sent: total)
            return .running(until: nil)
        }
        state = .answering(socket)
        return try advance(&context, now)
    }

    private mutating func answer(
        _ socket: TCPSocketID, _ context: inout ToolContext, _ now: Instant
    ) throws(CurlFailure) -> ToolStep {
        let hasMoved = try response.receive(socket, &context, now)
        if response.isComplete { return try complete(&context, now) }
        guard let status = context.host.tcp.status(socket) else { throw .receive("connection is gone") }
        if status.readableBytes == 0, let error = status.error { throw .receive(error.reason) }
        if status.isEOF {
            try response.streamEnded(&context)
            return try complete(&context, now)
        }
        return hasMoved ? .again : .running(until: nil)
    }

    private mutating func complete(_ context: inout ToolContext, _ now: Instant) throws(CurlFailure) -> ToolStep {
        release(context, now)
        if options.followsRedirects, let location = response.redirect, let url {
            redirects += 1
            guard redirects <= options.redirectLimit else { throw .redirects(options.redirectLimit) }
            do throws(URLError) { try begin(url.resolving(location), context, now) } catch { throw CurlFailure(error) }
            return .again
        }
        response.close(context)
        if let line = response.tally.report("received") { context.report(line) }
        state = .over
        if options.failsOnError, let status = response.status, status >= 400 {
            say(.httpStatus(status), context)
            return .finished(22)
        }
        return .finished(ExitStatus.success)
    }

    // MARK: failure

    private func timeout(_ patience: Interval) -> CurlFailure {
        let time = milliseconds(patience.nanoseconds, digits: 0)
        return switch state {
        case .starting, .resolving: .timeout("Resolving timed out after \(time) milliseconds")
        case .connecting: .timeout("Connection timed out after \(time) milliseconds")
        default:
            .timeout("Operation timed out after \(time) milliseconds with \(response.tally.count) bytes received")
        }
    }

    private mutating func fail(_ failure: CurlFailure, _ context: inout ToolContext, _ now: Instant) -> ToolStep {
        if case .resolving(let query) = state { context.host.cancelResolve(query) }
        release(context, now)
        response.close(context)
        say(failure, context)
        return .finished(failure.status)
    }

    private func say(_ failure: CurlFailure, _ context: ToolContext) {
        guard !options.isSilent || options.showsErrors else { return }
        if !context.isAtLineStart { context.complain("\n") }
        context.complain("curl: (\(failure.status)) \(failure.text)\n")
    }

    private mutating func release(_ context: ToolContext, _ now: Instant) {
        switch state {
        case .connecting(let socket, _), .asking(let socket, _), .answering(let socket):
            context.host.tcp.release(socket, now: now)
        case .starting, .resolving, .over: break
        }
        state = .over
    }
}
