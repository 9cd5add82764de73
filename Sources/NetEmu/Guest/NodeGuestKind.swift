// -guest node: the software node, as an option describes it.

import Bytes
import GuestNode

/// `-guest node`.
struct NodeGuestKind: GuestKind, Equatable {
    enum Script: Equatable {
        case text(String)
        case file(String)
    }
    var script: Script?
    var hostname = "node"
    var limits = ScriptLimits()
    /// The script's, all that it waits for included.
    var timeout: Interval?
    /// The folder of files that tools of a node from elsewhere have open.
    var movedFiles: String?

    static let name = "node"
    static let usage =
        "node[,run=SCRIPT|,script=FILE][,wait=SECONDS][,timeout=SECONDS][,hostname=NAME][,moved-files=DIR]"
    static let taskKeys = ["run", "script"]
    /// The status of a script that has had its time, also of one that never started.
    static let timedOut: Int32 = 124
    static let keys = KeyTable(
        title: "node",
        rows: [
            KeyRow("run", .string, "a script for the node's shell; `;` goes on, `&&` stops, `,,` is a comma"),
            KeyRow("script", .path, "a file with such a script"),
            KeyRow("wait", .integer, "wait so many seconds for an address; without one the status is 123"),
            KeyRow("timeout", .integer, "end netemu after so many seconds, with status 124"),
            KeyRow("hostname", .string, "the node's name (default: node)"),
            KeyRow("moved-files", .path, "the folder of files that tools of a migrated node have open"),
        ])

    init(script: Script? = nil, hostname: String = "node") {
        self.script = script
        self.hostname = hostname
    }

    init(_ values: CheckedValues) throws(OptionError) {
        switch (values.string("run"), values.path("script")) {
        case (.some, .some): throw OptionError("run= and script= cannot both be given")
        case (.some(let text), nil): script = .text(text)
        case (nil, .some(let path)): script = .file(path)
        case (nil, nil): break
        }
        movedFiles = values.path("moved-files")
        try readLimits(values)
        if let name = values.string("hostname") {
            guard Self.isHostname(name) else {
                throw OptionError("hostname '\(name)' must be 1 to 63 letters, digits and '-'")
            }
            hostname = name
        }
    }

    private mutating func readLimits(_ values: CheckedValues) throws(OptionError) {
        for (key, least) in [("wait", Int64(0)), ("timeout", 1)] {
            guard let seconds = values.integer(key) else { continue }
            guard (least...86400).contains(seconds) else {
                throw OptionError("\(key)=\(seconds) must be \(least) to 86400 seconds")
            }
            guard script != nil else { throw OptionError("\(key)= needs run= or script=") }
            if key == "timeout" { timeout = .seconds(seconds) }
            if key == "wait" { (limits.wait, limits.needsAddress) = (.seconds(seconds), seconds > 0) }
        }
    }

    var hasTask: Bool { script != nil }
    var hasTimeLimit: Bool { timeout != nil }
    var hasConsole: Bool { true }
    var asksForAddress: Bool { true }
    func makeGuest(_ site: GuestSite) -> any Guest { NodeGuest(self, site) }

    private static func isHostname(_ name: String) -> Bool {
        (1...63).contains(name.utf8.count) && name.utf8.first != 0x2d && name.utf8.last != 0x2d
            && name.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x41...0x5a).contains($0 & 0xdf) || $0 == 0x2d }
    }
}
