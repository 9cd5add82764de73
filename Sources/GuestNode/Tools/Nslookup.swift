// nslookup: asks a name server for the addresses of a name (RFC 1035); output as BIND's tool
// prints it. Exit status 1 when there is no answer.

import Bytes
import NetStack

/// A lookup under way.
struct Nslookup: RunningTool {
    var name: String
    var server: IPAddress?
    var query: QueryID?

    init(_ arguments: [String]) throws(UsageError) {
        var operands: [String] = []
        var scanner = OptionScanner(arguments, withValue: [])
        while let item = try scanner.next() {
            switch item {
            case .option(let name): throw .unknownOption(name)
            case .operand(let word): operands.append(word)
            }
        }
        guard let name = operands.first else { throw .missingOperand("NAME") }
        guard operands.count <= 2 else { throw .extraOperand(operands[2]) }
        self.name = name
        server = operands.count == 2 ? IPAddress(operands[1]) : nil
        if operands.count == 2, server == nil {
            throw .badValue(option: "SERVER", value: operands[1], accepted: "an IPv4 address is accepted")
        }
    }

    init(name: String, server: IPAddress?) { (self.name, self.server) = (name, server) }

    mutating func step(_ context: inout ToolContext, now: Instant) -> ToolStep {
        guard let query else {
            self.query = context.host.resolve(name, server: server, now: now)
            return step(&context, now: now)
        }
        guard let result = context.host.takeResolution(query) else { return .running(until: nil) }
        switch result {
        case .success(let answer):
            if let server = answer.server { context.print(heading(server)) }
            var text = answer.server == nil ? "" : "Non-authoritative answer:\n"
            if answer.canonicalName != answer.queriedName {
                text += "\(answer.queriedName)\tcanonical name = \(answer.canonicalName).\n"
            }
            for address in answer.addresses { text += "Name:\t\(answer.canonicalName)\nAddress: \(address)\n" }
            context.print(text + "\n")
            return .finished(ExitStatus.success)
        case .failure(let error):
            if case .refused(_, let server) = error { context.print(heading(server)) }
            context.complain(explain(error))
            return .finished(ExitStatus.failure)
        }
    }

    mutating func interrupt(_ context: inout ToolContext, now: Instant) -> Int32 {
        if let query { context.host.cancelResolve(query) }
        return ExitStatus.interrupted
    }

    private func heading(_ server: IPAddress) -> String { "Server:\t\t\(server)\nAddress:\t\(server)#53\n\n" }

    private func explain(_ error: ResolveError) -> String {
        switch error {
        case .notFound, .noAddress: "\(error)\n"
        case .timedOut: ";; connection timed out; no servers could be reached\n"
        case .refused(let code, _):
            "** server can't find \(name): \([1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED"][code] ?? "RCODE\(code)")\n"
        default: "nslookup: \(error)\n"
        }
    }
}
