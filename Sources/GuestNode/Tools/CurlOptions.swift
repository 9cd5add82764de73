// What `curl` was asked to do: the options of curl(1) that a GET over HTTP/1.1 needs.

import Bytes

/// Where curl puts a body.
enum CurlOutput: Equatable, Sendable {
    case standardOutput
    case file(String)
    /// `-O`: named after the URL.
    case remoteName
}

/// Options of `curl`.
struct CurlOptions: Equatable, Sendable {
    var url = ""
    var output = CurlOutput.standardOutput
    var isSilent = false
    var showsErrors = false
    /// `-f`: a status of 400 or more is a failure, and its body is not kept.
    var failsOnError = false
    /// `-i`: the head is output, too.
    var includesHead = false
    var followsRedirects = false
    var redirectLimit = 50
    var isHashed = false
    var connectPatience: Interval?
    /// `-m`: for everything together.
    var patience: Interval?
    /// `-H`: further header lines.
    var headers: [String] = []

    private static let withValue: Set<String> = [
        "-o", "--output", "--connect-timeout", "-m", "--max-time", "--max-redirs", "-H", "--header",
    ]

    init(_ arguments: [String]) throws(UsageError) {
        var scanner = OptionScanner(arguments, withValue: Self.withValue)
        while let item = try scanner.next() {
            switch item {
            case .operand(let word):
                guard url.isEmpty else { throw .extraOperand(word) }
                url = word
            case .option(let name):
                if Self.withValue.contains(name) { try setValue(name, scanner) } else { try set(name) }
            }
        }
        guard !url.isEmpty else { throw .missingOperand("URL") }
    }

    private mutating func setValue(_ name: String, _ scanner: OptionScanner) throws(UsageError) {
        switch name {
        case "-o", "--output":
            let isStandard = scanner.value == "-" || StandardName(scanner.value) == .output
            output = isStandard ? .standardOutput : .file(scanner.value)
        case "--connect-timeout": connectPatience = try scanner.seconds(name, atLeast: .milliseconds(1))
        case "-m", "--max-time": patience = try scanner.seconds(name, atLeast: .milliseconds(1))
        case "--max-redirs": redirectLimit = try scanner.integer(name, in: 0...50)
        default:
            let isLine = scanner.value.contains(":") && scanner.value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }
            guard isLine else {
                throw .badValue(option: name, value: scanner.value, accepted: "'Name: value' on one line is accepted")
            }
            headers.append(scanner.value)
        }
    }

    private mutating func set(_ name: String) throws(UsageError) {
        switch name {
        case "-O", "--remote-name": output = .remoteName
        case "-s", "--silent": isSilent = true
        case "-S", "--show-error": showsErrors = true
        case "-f", "--fail": failsOnError = true
        case "-i", "--include": includesHead = true
        case "-L", "--location": followsRedirects = true
        case "--sha256": isHashed = true
        case "-4", "-N": break
        default: throw .unknownOption(name)
        }
    }
}

/// Why a transfer failed: curl's exit status and words.
struct CurlFailure: Error, Equatable, Sendable {
    var status: Int32
    var text: String

    static func unsupported(_ text: String) -> CurlFailure { CurlFailure(status: 1, text: text) }
    static func malformedURL(_ text: String) -> CurlFailure { CurlFailure(status: 3, text: text) }
    static func noSuchHost(_ host: String) -> CurlFailure {
        CurlFailure(status: 6, text: "Could not resolve host: \(host)")
    }
    static func connect(_ host: String, _ port: UInt16, _ reason: String) -> CurlFailure {
        CurlFailure(status: 7, text: "Failed to connect to \(host) port \(port): \(reason)")
    }
    static func weirdReply(_ text: String) -> CurlFailure { CurlFailure(status: 8, text: text) }
    static func partial(_ text: String) -> CurlFailure { CurlFailure(status: 18, text: text) }
    static func httpStatus(_ status: Int) -> CurlFailure {
        CurlFailure(status: 22, text: "The requested URL returned error: \(status)")
    }
    static func write(_ error: FileError) -> CurlFailure { CurlFailure(status: 23, text: error.description) }
    static func timeout(_ text: String) -> CurlFailure { CurlFailure(status: 28, text: text) }
    static func redirects(_ limit: Int) -> CurlFailure {
        CurlFailure(status: 47, text: "Maximum (\(limit)) redirects followed")
    }
    static let emptyReply = CurlFailure(status: 52, text: "Empty reply from server")
    static func receive(_ reason: String) -> CurlFailure { CurlFailure(status: 56, text: "Recv failure: \(reason)") }

    init(status: Int32, text: String) {
        self.status = status
        self.text = text
    }

    init(_ error: URLError) {
        if case .unsupportedScheme = error {
            self = .unsupported(error.description)
        } else {
            self = .malformedURL(error.description)
        }
    }

    init(_ error: HTTPError) {
        switch error {
        case .notHTTP: self = .unsupported(error.description)
        case .badChunk, .headTooLong, .tooManyFields: self = CurlFailure(status: 56, text: error.description)
        case .unknownCoding: self = CurlFailure(status: 61, text: error.description)
        case .badStatusLine, .badField, .badContentLength: self = .weirdReply(error.description)
        }
    }
}
