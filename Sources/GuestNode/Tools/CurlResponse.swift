// The answer to one of curl's requests: head, then body, each byte from the socket's buffer
// straight to where it is to go. A step moves a bounded amount.

import Bytes
import NetStack

/// A response being received.
struct CurlResponse: Sendable {
    enum Phase: Sendable {
        case head(HTTPHeadCollector)
        case body(BodyReader)
        case complete
    }

    private let options: CurlOptions
    var phase = Phase.head(HTTPHeadCollector())
    var head: HTTPResponseHead?
    /// Where `-o` and `-O` put the body.
    var path: String?
    var file: OpenFile?
    var hasBytes = false
    /// Bytes of the body that is kept.
    var tally: ByteTally

    init(_ options: CurlOptions) {
        self.options = options
        tally = ByteTally(isHashed: options.isHashed)
    }

    var status: Int? { head?.status }

    /// Where a redirect leads, as the server wrote it.
    var redirect: [UInt8]? {
        guard let head, head.isRedirect, let location = head.bytes(of: "location"), !location.isEmpty else {
            return nil
        }
        return location
    }

    var isComplete: Bool {
        if case .complete = phase { return true }
        return false
    }

    /// Says where the body goes; `typed` is the URL that the user gave.
    mutating func nameFile(after typed: HTTPURL) throws(FileError) {
        switch options.output {
        case .standardOutput: path = nil
        case .file(let given): path = given
        case .remoteName:
            guard let name = typed.fileName else {
                throw FileError(path: typed.target, reason: "the URL names no file, or a hidden one; -o FILE does")
            }
            path = name
        }
    }

    /// A new request starts.
    mutating func begin() {
        phase = .head(HTTPHeadCollector())
        head = nil
        hasBytes = false
    }

    /// Takes what has arrived, up to a megabyte; true when there was something.
    mutating func receive(
        _ socket: TCPSocketID, _ context: inout ToolContext, _ now: Instant
    ) throws(CurlFailure) -> Bool {
        var left = StreamCopy.bytesPerStep
        var hasMoved = false
        while left > 0, !isComplete {
            var failure: CurlFailure?
            let room = min(left, bodyRoom(context))
            guard room > 0 else { break }
            let taken = context.host.tcp.withReceiveSpan(socket, now: now) { span in
                do throws(CurlFailure) {
                    return try accept(UnsafeRawBufferPointer(rebasing: span.prefix(room)), &context)
                } catch {
                    failure = error
                    return 0
                }
            }.count
            if let failure { throw failure }
            guard taken > 0 else { break }
            hasMoved = true
            hasBytes = true
            left -= taken
        }
        return hasMoved
    }

    /// The server has closed: that is the end of some bodies and a failure of the rest.
    mutating func streamEnded(_ context: inout ToolContext) throws(CurlFailure) {
        guard hasBytes else { throw .emptyReply }
        switch phase {
        case .body(let body):
            if let missing = body.missing { throw .partial("transfer closed with \(missing) bytes remaining to read") }
            guard body.endsWithStream else { throw .partial("transfer closed with outstanding read data remaining") }
            phase = .complete
        case .head: throw .receive("the response's head has no end")
        case .complete: break
        }
    }

    /// Closes the file, whatever became of the transfer.
    mutating func close(_ context: ToolContext) {
        file?.close(by: context.files)
        file = nil
    }

    private func bodyRoom(_ context: ToolContext) -> Int {
        options.output == .standardOutput ? context.outputRoom : .max
    }

    private mutating func accept(
        _ span: UnsafeRawBufferPointer, _ context: inout ToolContext
    ) throws(CurlFailure) -> Int {
        switch phase {
        case .head(var collector):
            phase = .complete
            let (taken, isWhole) = try Self.parsing { () throws(HTTPError) in try collector.accept(span) }
            if isWhole { try headIsWhole(collector, &context) } else { phase = .head(collector) }
            return taken
        case .body(var body):
            defer { phase = body.isComplete ? .complete : .body(body) }
            return try accept(span, into: &body, &context)
        case .complete: return 0
        }
    }

    private static func parsing<T>(_ work: () throws(HTTPError) -> T) throws(CurlFailure) -> T {
        do throws(HTTPError) { return try work() } catch { throw CurlFailure(error) }
    }

    private mutating func headIsWhole(
        _ collector: HTTPHeadCollector, _ context: inout ToolContext
    ) throws(CurlFailure) {
        let parsed = try Self.parsing { () throws(HTTPError) in try HTTPResponseHead(collector.bytes) }
        if options.includesHead { try show(collector.bytes, &context) }
        // RFC 9110, 15.2: interim responses are followed by the real one.
        guard parsed.status >= 200 else {
            phase = .head(HTTPHeadCollector(left: collector.left))
            return
        }
        head = parsed
        let body = BodyReader(try Self.parsing { () throws(HTTPError) in try parsed.framing() })
        phase = body.isComplete ? .complete : .body(body)
        guard isBodyKept else {
            phase = .complete
            return
        }
        do throws(FileError) { try openOutput(context) } catch { throw .write(error) }
    }

    /// `-i`: every head, also those of interim answers and of redirects. Files and pipes get the bytes as they came.
    private mutating func show(_ head: [UInt8], _ context: inout ToolContext) throws(CurlFailure) {
        do throws(FileError) {
            try openOutput(context)
            let isForTerminal = file == nil && context.isForTerminal
            let bytes = isForTerminal ? printable(head: head) : head
            try bytes.withBytes { (span) throws(FileError) in try write(span, &context) }
        } catch { throw .write(error) }
    }

    /// Bodies of redirects that are followed and, with `-f`, of errors are not kept.
    private var isBodyKept: Bool {
        guard let head else { return false }
        if options.followsRedirects, redirect != nil { return false }
        return !(options.failsOnError && head.status >= 400)
    }

    private mutating func openOutput(_ context: ToolContext) throws(FileError) {
        guard file == nil, let path else { return }
        file = try OpenFile.open(path, for: .write, by: context.files)
    }

    private mutating func accept(
        _ span: UnsafeRawBufferPointer, into body: inout BodyReader, _ context: inout ToolContext
    ) throws(CurlFailure) -> Int {
        var failure: FileError?
        let isKept = isBodyKept
        let taken = try Self.parsing { () throws(HTTPError) in
            try body.accept(span) { piece in
                guard isKept else { return true }
                do throws(FileError) {
                    try write(piece, &context)
                } catch {
                    failure = error
                    return false
                }
                tally.add(piece)
                return true
            }
        }
        if let failure { throw .write(failure) }
        return taken
    }

    private func write(_ piece: UnsafeRawBufferPointer, _ context: inout ToolContext) throws(FileError) {
        if let file { try file.write(piece, by: context.files) } else { try context.write(piece) }
    }
}

extension [UInt8] {
    /// Lends the bytes, with a typed error.
    fileprivate func withBytes<E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> Void) throws(E) {
        var failure: E?
        withUnsafeBytes { span in
            do throws(E) { try body(span) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}
