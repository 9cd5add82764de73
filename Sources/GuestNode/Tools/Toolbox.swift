// Every tool by its name: how it is started, what help says about it. Adding a tool is one entry
// here, one case of `Tool`, and its blank in Tool+State.

import Bytes
import NetStack

/// A tool that is being stepped.
enum Tool: Sendable {
    case curl(Curl)
    case echoServer(EchoServer)
    case ping(Ping)
    case netcat(Netcat)
    case netcatUDP(NetcatUDP)
    case nslookup(Nslookup)
    case ramp(Ramps)
    case sleep(Sleep)
    /// Nothing: stands in while a step is made, so that the value under the step has one owner.
    case none

    mutating func step(_ context: inout ToolContext, now: Instant) -> ToolStep {
        let tool = self
        self = .none
        switch consume tool {
        case .curl(var tool):
            defer { self = .curl(tool) }
            return tool.step(&context, now: now)
        case .echoServer(var tool):
            defer { self = .echoServer(tool) }
            return tool.step(&context, now: now)
        case .ping(var tool):
            defer { self = .ping(tool) }
            return tool.step(&context, now: now)
        case .netcat(var tool):
            defer { self = .netcat(tool) }
            return tool.step(&context, now: now)
        case .netcatUDP(var tool):
            defer { self = .netcatUDP(tool) }
            return tool.step(&context, now: now)
        case .nslookup(var tool):
            defer { self = .nslookup(tool) }
            return tool.step(&context, now: now)
        case .ramp(var tool):
            defer { self = .ramp(tool) }
            return tool.step(&context, now: now)
        case .sleep(var tool):
            defer { self = .sleep(tool) }
            return tool.step(&context, now: now)
        case .none: return .finished(ExitStatus.failure)
        }
    }

    mutating func interrupt(_ context: inout ToolContext, now: Instant) -> Int32 {
        let tool = self
        self = .none
        switch consume tool {
        case .curl(var tool): return tool.interrupt(&context, now: now)
        case .echoServer(var tool): return tool.interrupt(&context, now: now)
        case .ping(var tool): return tool.interrupt(&context, now: now)
        case .netcat(var tool): return tool.interrupt(&context, now: now)
        case .netcatUDP(var tool): return tool.interrupt(&context, now: now)
        case .nslookup(var tool): return tool.interrupt(&context, now: now)
        case .ramp(var tool): return tool.interrupt(&context, now: now)
        case .sleep(var tool): return tool.interrupt(&context, now: now)
        case .none: return ExitStatus.interrupted
        }
    }

    /// Only a ramp measures what passes outside.
    mutating func wasAway(_ time: Interval) {
        guard case .ramp(var tool) = self else { return }
        tool.wasAway(time)
        self = .ramp(tool)
    }
}

/// How a command began.
enum Started {
    case finished(Int32)
    case running(Tool)
    /// The shell is to end, with this status.
    case exit(Int32)
}

/// One entry of the toolbox.
struct ToolEntry: Sendable {
    let name: String
    let usage: String
    /// One line for the list.
    let summary: String
    /// Its status when what it wrote was lost.
    var lostWrite = ExitStatus.failure
    let start: @Sendable ([String], inout ToolContext, Instant) throws(UsageError) -> Started

    /// An entry for a tool that is a machine.
    static func machine(
        _ name: String, _ usage: String, _ summary: String, lostWrite: Int32 = ExitStatus.failure,
        _ make: @escaping @Sendable ([String]) throws(UsageError) -> Tool
    ) -> ToolEntry {
        ToolEntry(name: name, usage: usage, summary: summary, lostWrite: lostWrite) {
            (arguments, _, _) throws(UsageError) in
            .running(try make(arguments))
        }
    }
}

enum Toolbox {
    /// In alphabetical order.
    static let entries: [ToolEntry] = [
        .machine(
            "curl",
            "curl [-fiLsSO] [-o FILE] [-H LINE] [--sha256] [-m SECONDS] [--connect-timeout SECONDS] [--max-redirs N] URL",
            "get a URL by HTTP/1.1", lostWrite: 23
        ) { (arguments) throws(UsageError) in
            .curl(Curl(try CurlOptions(arguments)))
        },
        ToolEntry(name: "echo", usage: "echo [-n] [WORD]...", summary: "print words") {
            (arguments, context, _) throws(UsageError) in
            let isBare = arguments.first == "-n"
            context.print(
                (isBare ? arguments.dropFirst() : arguments[...]).joined(separator: " ") + (isBare ? "" : "\n"))
            return .finished(ExitStatus.success)
        },
        .machine("echod", "echod PORT", "send back what comes over TCP, to everybody who connects") {
            (arguments) throws(UsageError) in
            .echoServer(try EchoServer(arguments))
        },
        ToolEntry(name: "exit", usage: "exit [STATUS]", summary: "end the shell") {
            (arguments, context, _) throws(UsageError) in
            guard let word = arguments.first else { return .exit(context.lastStatus) }
            guard let status = UInt8(word) else {
                throw .badValue(option: "STATUS", value: word, accepted: "0…255 is accepted")
            }
            return .exit(Int32(status))
        },
        ToolEntry(name: "false", usage: "false", summary: "do nothing, without success") {
            (_, _, _) throws(UsageError) in .finished(ExitStatus.failure)
        },
        ToolEntry(name: "help", usage: "help [TOOL]", summary: "list the tools, or explain one") {
            (arguments, context, _) throws(UsageError) in .finished(help(arguments, &context))
        },
        ToolEntry(name: "hostname", usage: "hostname", summary: "print the node's name") {
            (arguments, context, _) throws(UsageError) in
            if let extra = arguments.first { throw .extraOperand(extra) }
            context.print(context.host.hostname + "\n")
            return .finished(ExitStatus.success)
        },
        ToolEntry(
            name: "ip", usage: "ip [-br] [-s] addr|link|route|neigh [show] [dev NAME]",
            summary: "show addresses, links, routes, neighbours"
        ) { (arguments, context, now) throws(UsageError) in
            .finished(try IPCommand(arguments).run(&context, now: now))
        },
        .machine(
            "nc",
            "nc [-Nuv] [-p PORT] [-w SECONDS] [--sha256] [--send-bytes N] HOST PORT\n       nc -l [-kuv] [...] [ADDRESS] PORT",
            "copy standard input to a peer and the peer to standard output"
        ) { (arguments) throws(UsageError) in
            let options = try NetcatOptions(arguments)
            return options.isUDP ? .netcatUDP(NetcatUDP(options)) : .netcat(Netcat(options))
        },
        .machine("nslookup", "nslookup NAME [SERVER]", "ask a name server") { (arguments) throws(UsageError) in
            .nslookup(try Nslookup(arguments))
        },
        .machine(
            "ping", "ping [-c COUNT] [-i SECONDS] [-W SECONDS] [-s BYTES] [-t TTL] [-q] HOST", "send echo requests"
        ) { (arguments) throws(UsageError) in
            .ping(Ping(try PingOptions(arguments)))
        },
        .machine(
            "ramp",
            "ramp send|check [-n BYTES] [-t SECONDS] [-P STREAMS] HOST PORT [RATE]\n       ramp send|check -l [...] PORT [RATE]",
            "send a counting stream, or check one, byte by byte; report the longest gap"
        ) { (arguments) throws(UsageError) in
            .ramp(Ramps(try RampOptions(arguments)))
        },
        .machine("sleep", "sleep SECONDS...", "wait; fractions are accepted") { (arguments) throws(UsageError) in
            .sleep(try Sleep(arguments))
        },
        ToolEntry(name: "true", usage: "true", summary: "do nothing, with success") {
            (_, _, _) throws(UsageError) in .finished(ExitStatus.success)
        },
    ]

    static func entry(named name: String) -> ToolEntry? { entries.first { $0.name == name } }

    private static func help(_ arguments: [String], _ context: inout ToolContext) -> Int32 {
        guard let name = arguments.first else {
            for entry in entries { context.print(padded(entry.name, to: 10) + entry.summary + "\n") }
            context.print(
                "Commands are joined by ; or && or ||, files by < FILE, > FILE, >> FILE. Ctrl-C interrupts.\n")
            return ExitStatus.success
        }
        guard let entry = entry(named: name) else {
            context.complain("help: no tool '\(name)'; help alone lists them\n")
            return ExitStatus.failure
        }
        context.print("usage: \(entry.usage)\n\(entry.summary)\n")
        return ExitStatus.success
    }
}
