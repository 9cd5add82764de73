// The command line of netemu-repair: a drop-in for `passt-repair PATH`, with a few words more.

/// What `netemu-repair` was asked to do.
public struct HelperOptions: Equatable, Sendable {
    /// A socket, or a directory in which a name ending in `.repair` is or will be a socket.
    public var path = ""
    /// Serve one migration after another instead of one.
    public var isDaemon = false
    /// How long to wait for the socket to be there and to answer: seconds; nil as passt-repair, which wants a
    /// socket at once and waits for ever in a directory.
    public var waitSeconds: Int?
    /// A line for each connection and batch.
    public var isVerbose = false
    /// Free the 4-tuples that a good save leaves in repair mode.
    public var releases = true
    /// Keep the ports of what was let go silent until this program is ended.
    public var stays = false

    /// What the words amount to.
    public enum Request: Equatable, Sendable {
        /// Serve.
        case run(HelperOptions)
        /// Print `usage`, status 0.
        case help
        /// Print the version, status 0.
        case version
        /// A sentence that names the word.
        case misuse(String)
    }

    /// - Parameter words: without the program's name.
    public static func parse(_ words: [String]) -> Request {
        var options = HelperOptions()
        var paths: [String] = []
        var rest = words[...]
        while let word = rest.popFirst() {
            switch word {
            case "-h", "--help": return .help
            case "--version": return .version
            case "--daemon": options.isDaemon = true
            case "-v", "--verbose": options.isVerbose = true
            case "--no-release": options.releases = false
            case "--stay": options.stays = true
            case "--":
                paths += rest
                rest = []
            case "--wait":
                guard let value = rest.popFirst() else { return .misuse("--wait: SECONDS is missing") }
                if let problem = options.setWait(value) { return problem }
            case _ where word.hasPrefix("--wait="):
                if let problem = options.setWait(String(word.dropFirst(7))) { return problem }
            case _ where word.hasPrefix("-") && word != "-": return .misuse("\(word): unknown option")
            default: paths.append(word)
            }
        }
        guard let path = paths.first else { return .misuse("PATH is missing") }
        guard paths.count == 1 else { return .misuse("\(paths[1]): one PATH only") }
        options.path = path
        return .run(options)
    }

    private mutating func setWait(_ value: String) -> Request? {
        guard let seconds = Int(value), (0...1_000_000).contains(seconds) else {
            return .misuse("--wait \(value): a whole number of seconds, 0 to 1000000, is accepted")
        }
        waitSeconds = seconds
        return nil
    }

    /// What `--help` prints.
    public static let usage = """
        Usage: netemu-repair [OPTION]... PATH
        Switch TCP_REPAIR on sockets for a process that migrates TCP connections (passt, netemu).

        PATH is the process's repair socket, or a directory in which a name ending in
        .repair is such a socket or will be one.

          --daemon          serve one migration after another
          --no-release      leave address and port of migrated connections occupied,
                            as passt-repair does
          --stay            keep the ports of migrated connections silent until ended
          --wait SECONDS    wait for the socket at most this long
          -v, --verbose     say what is done
          -h, --help        show this text
          --version         show the version

        """
}
