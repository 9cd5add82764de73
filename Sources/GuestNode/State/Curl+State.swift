// A curl on its way to another process: options, request, how far the answer has come, the file it goes to.

import Bytes
import NetStack

extension Curl {
    static let kind = "curl"
    static var blank: Curl { Curl(CurlOptions()) }
    /// Bytes of a request: the URL and the given headers, which a line of the shell holds.
    private static let requestLimit = 1 << 20

    mutating func code(_ coder: inout StateCoder, _ files: FileMover) throws(StateError) {
        try options.code(&coder)
        try coder.data(&request, limit: Self.requestLimit)
        try state.code(&coder, request.count)
        try coder.optional(&url)
        try coder.count(&redirects, in: 0...1000, "redirects of a curl")
        try coder.instant(&started)
        if coder.isReading { response = CurlResponse(options) }
        try response.code(&coder, files)
    }
}

extension CurlOptions {
    init() {}

    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.text(&url, limit: ToolStateLimit.text, "URL")
        var (kind, path): (UInt8, String) = (0, "")
        switch output {
        case .standardOutput: kind = 0
        case .file(let name): (kind, path) = (1, name)
        case .remoteName: kind = 2
        }
        try coder.integer(&kind)
        try coder.text(&path, limit: OpenFile.longestPath, "path of a file")
        try coder.require(kind <= 2, "output of a curl")
        output = kind == 0 ? .standardOutput : kind == 1 ? .file(path) : .remoteName
        for flag in [
            \CurlOptions.isSilent, \.showsErrors, \.failsOnError, \.includesHead, \.followsRedirects, \.isHashed,
        ] { try coder.flag(&self[keyPath: flag]) }
        try coder.count(&redirectLimit, in: 0...50, "redirects of a curl")
        try coder.interval(&connectPatience)
        try coder.interval(&patience)
        var count = headers.count
        try coder.count(&count, atMost: Script.Limit.wordsPerCommand, "headers of a request")
        for index in 0..<count {
            var header = coder.isReading ? "" : headers[index]
            try coder.text(&header, limit: ToolStateLimit.text, "header of a request")
            if coder.isReading { headers.append(header) }
        }
    }
}

extension Curl.State {
    fileprivate mutating func code(_ coder: inout StateCoder, _ length: Int) throws(StateError) {
        var (kind, query, socket): (UInt8, QueryID, TCPSocketID) = (0, .blank, .blank)
        var (since, sent) = (coder.now, 0)
        switch self {
        case .starting: kind = 0
        case .resolving(let id): (kind, query) = (1, id)
        case .connecting(let id, let start): (kind, socket, since) = (2, id, start)
        case .asking(let id, let done): (kind, socket, sent) = (3, id, done)
        case .answering(let id): (kind, socket) = (4, id)
        case .over: kind = 5
        }
        try coder.integer(&kind)
        try query.code(&coder)
        try socket.code(&coder)
        try coder.instant(&since)
        try coder.count(&sent, in: 0...length, "what was sent of a request")
        switch kind {
        case 0: self = .starting
        case 1: self = .resolving(query)
        case 2: self = .connecting(socket, since: since)
        case 3: self = .asking(socket, sent: sent)
        case 4: self = .answering(socket)
        case 5: self = .over
        default: throw .impossible("state of a curl")
        }
    }
}

extension HTTPURL: StateCoded {
    static var blank: HTTPURL { HTTPURL(host: "", port: 0, target: "/") }

    private init(host: String, port: UInt16, target: String) {
        (self.host, self.port, self.target) = (host, port, target)
    }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.text(&host, limit: ToolStateLimit.text, "host of a URL")
        try coder.integer(&port)
        try coder.text(&target, limit: ToolStateLimit.text, "path of a URL")
    }
}

extension CurlResponse {
    fileprivate mutating func code(_ coder: inout StateCoder, _ files: FileMover) throws(StateError) {
        try phase.code(&coder)
        try coder.optional(&head)
        try coder.text(&path, limit: OpenFile.longestPath, "path of a file")
        try coder.flag(&hasBytes)
        try tally.code(&coder)
        var isOpen = file != nil
        try coder.flag(&isOpen)
        guard isOpen else {
            file = nil
            return
        }
        var open = file ?? .null
        try open.code(&coder, files)
        file = open
    }
}

extension CurlResponse.Phase {
    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (kind, collector, body): (UInt8, HTTPHeadCollector?, BodyReader?) = (0, nil, nil)
        switch self {
        case .head(let open): (kind, collector) = (0, open)
        case .body(let open): (kind, body) = (1, open)
        case .complete: kind = 2
        }
        try coder.integer(&kind)
        try coder.optional(&collector)
        try coder.optional(&body)
        switch (kind, collector, body) {
        case (0, let collector?, nil): self = .head(collector)
        case (1, nil, let body?): self = .body(body)
        case (2, nil, nil): self = .complete
        default: throw .impossible("state of an answer")
        }
    }
}

extension HTTPHeadCollector: StateCoded {
    static var blank: HTTPHeadCollector { HTTPHeadCollector() }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        let limit = HTTPResponseHead.byteLimit
        try coder.data(&bytes, limit: limit)
        try coder.count(&left, in: 0...limit, "room of a head")
        try coder.count(&lineLength, in: 0...limit, "length of a line")
    }
}

extension HTTPResponseHead: StateCoded {
    static var blank: HTTPResponseHead { HTTPResponseHead(status: 200, fields: []) }

    private init(status: Int, fields: [Field]) { (self.status, self.fields) = (status, fields) }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (status, fields) = (status, fields)
        try coder.count(&status, in: 100...999, "status of an answer")
        try coder.list(&fields, limit: Self.fieldLimit, "number of fields")
        self = HTTPResponseHead(status: status, fields: fields)
    }
}

extension HTTPResponseHead.Field: StateCoded {
    static var blank: HTTPResponseHead.Field { HTTPResponseHead.Field(name: "", bytes: []) }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.text(&name, limit: HTTPResponseHead.byteLimit, "name of a field")
        try coder.data(&bytes, limit: HTTPResponseHead.byteLimit)
    }
}

extension BodyReader: StateCoded {
    static var blank: BodyReader { BodyReader(.none) }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (kind, size, digits, hasReturn): (UInt8, UInt64, Int, Bool) = (0, 0, 0, false)
        switch state {
        case .length(let left): (kind, size) = (0, left)
        case .untilClose: kind = 1
        case .size(let read, let count): (kind, size, digits) = (2, read, count)
        case .sizeRest(let read, let has): (kind, size, hasReturn) = (3, read, has)
        case .data(let left): (kind, size) = (4, left)
        case .dataEnd(let has): (kind, hasReturn) = (5, has)
        case .trailer(let length): (kind, digits) = (6, length)
        case .complete: kind = 7
        }
        try coder.integer(&kind)
        try coder.integer(&size)
        try coder.count(&digits, in: 0...Self.overheadLimit, "place in a line of a body")
        try coder.flag(&hasReturn)
        try coder.count(&overhead, in: 0...Self.overheadLimit, "overhead of a body")
        switch kind {
        case 0: state = .length(left: size)
        case 1: state = .untilClose
        case 2: state = .size(size, digits: digits)
        case 3: state = .sizeRest(size, hasReturn: hasReturn)
        case 4: state = .data(left: size)
        case 5: state = .dataEnd(hasReturn: hasReturn)
        case 6: state = .trailer(lineLength: digits)
        case 7: state = .complete
        default: throw .impossible("state of a body")
        }
    }
}
