// -object filter-dump as options describe it.

import Link
import Netdevs

/// A capture of a back-end's frames.
public struct FilterPlan: Sendable {
    /// Where it stands among the filters of its back-end; all see the same frames.
    public enum Position: Equatable, Sendable {
        /// In front of all, or behind all.
        case head, tail
        /// Beside the filter of that id.
        case beside(String)

        var text: String {
            switch self {
            case .head: "head"
            case .tail: "tail"
            case .beside(let id): "id=\(id)"
            }
        }
    }

    /// By which others name it.
    public var id: String
    /// The id of the back-end.
    public var netdev: String
    /// Where the capture goes.
    public var file: String
    /// Format, length, direction.
    public var options: FrameDump.Options
    /// `status=`: frames are written.
    public var isOn = true
    /// Among the filters of its back-end.
    public var position = Position.tail
    /// With `beside`: in front of that filter.
    public var isBefore = false
    /// The option as typed; nil from the monitor.
    public var location: String?

    /// The line of `info network`.
    var line: String {
        let format = options.format == .pcap ? "" : ",format=\(options.format.rawValue)"
        return "  - \(id): type=filter-dump,file=\(file),maxlen=\(options.longest),position=\(position.text),"
            + "status=\(isOn ? "on" : "off"),insert=\(isBefore ? "before" : "behind"),netdev=\(netdev),"
            + "queue=\(options.direction.rawValue)\(format)"
    }
}
