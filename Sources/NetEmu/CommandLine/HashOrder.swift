// In which order QEMU looks at the properties of a device: that of its hash table (qobject/qdict.c, after Samba's tdb).

enum HashOrder {
    /// The place of a key in a table of 512 buckets.
    static func bucket(_ key: String) -> UInt32 {
        var value = 0x238f_13af &* UInt32(truncatingIfNeeded: key.utf8.count)
        for (index, byte) in key.utf8.enumerated() { value &+= UInt32(byte) << UInt32(index * 5 % 24) }
        return (1_103_515_243 &* value &+ 12345) % 512
    }
}
