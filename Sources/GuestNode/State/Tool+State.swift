// A tool in the middle of its work on its way to another process: its kind, then a section of its own. A new tool is one
// line in `blanks`.

import Bytes

extension Tool {
    /// One of each, to be filled in.
    private static var blanks: [Tool] {
        [
            .curl(.blank), .echoServer(.blank), .ping(.blank), .netcat(.blank), .netcatUDP(.blank), .nslookup(.blank),
            .ramp(.blank), .sleep(.blank), .none,
        ]
    }

    private var running: (any RunningTool)? {
        switch self {
        case .curl(let tool): tool
        case .echoServer(let tool): tool
        case .ping(let tool): tool
        case .netcat(let tool): tool
        case .netcatUDP(let tool): tool
        case .nslookup(let tool): tool
        case .ramp(let tool): tool
        case .sleep(let tool): tool
        case .none: nil
        }
    }

    /// What the section of the tool is called, and its version.
    private var kind: (name: String, version: UInt16) {
        running.map { (type(of: $0).kind, type(of: $0).version) } ?? ("none", 1)
    }

    mutating func code(_ coder: inout StateCoder, _ files: FileMover) throws(StateError) {
        var name = kind.name
        try coder.text(&name, limit: MovableLimits.kind, "kind of a tool")
        if coder.isReading {
            guard let blank = Self.blanks.first(where: { $0.kind.name == name }) else {
                throw .impossible("a tool that is called '\(printable(name))'")
            }
            self = blank
        }
        try coder.section("tool-" + name, version: kind.version) { (coder) throws(StateError) in
            try codeState(&coder, files)
        }
    }

    private mutating func codeState(_ coder: inout StateCoder, _ files: FileMover) throws(StateError) {
        switch self {
        case .curl(var tool):
            try tool.code(&coder, files)
            self = .curl(tool)
        case .echoServer(var tool):
            try tool.code(&coder, files)
            self = .echoServer(tool)
        case .ping(var tool):
            try tool.code(&coder, files)
            self = .ping(tool)
        case .netcat(var tool):
            try tool.code(&coder, files)
            self = .netcat(tool)
        case .netcatUDP(var tool):
            try tool.code(&coder, files)
            self = .netcatUDP(tool)
        case .nslookup(var tool):
            try tool.code(&coder, files)
            self = .nslookup(tool)
        case .ramp(var tool):
            try tool.code(&coder, files)
            self = .ramp(tool)
        case .sleep(var tool):
            try tool.code(&coder, files)
            self = .sleep(tool)
        case .none: break
        }
    }
}

/// How long a name or a word of a tool may be.
enum ToolStateLimit {
    static let text = 1 << 16
}

extension Sleep {
    static let kind = "sleep"
    static var blank: Sleep { Sleep(length: .zero) }

    mutating func code(_ coder: inout StateCoder, _ files: FileMover) throws(StateError) {
        try coder.interval(&length)
        try coder.instant(&end)
    }
}

extension Nslookup {
    static let kind = "nslookup"
    static var blank: Nslookup { Nslookup(name: "", server: nil) }

    mutating func code(_ coder: inout StateCoder, _ files: FileMover) throws(StateError) {
        try coder.text(&name, limit: ToolStateLimit.text, "name")
        try coder.optional(&server)
        try coder.optional(&query)
    }
}
