/// Why somebody may not do what he asked for.
///
/// Source: the sentences begin as RabbitMQ's do, for who reads logs with eyes used to them
package struct AccessRefusal: Equatable, Sendable, CustomStringConvertible {
    package var user: String
    package var host: String
    package var need: Need

    package init(user: String, host: String, need: Need) {
        self.user = user
        self.host = host
        self.need = need
    }

    package var description: String {
        switch need {
        case .permission(let operation, let resource):
            "access to \(resource.kind.rawValue) '\(resource.name)' in vhost '\(host)' refused for user '\(user)': his "
                + "\(operation.rawValue) pattern there does not fit the name; see `cola permissions`"
        case .topic(let operation, let exchange, let key):
            "access to topic '\(key)' in exchange '\(exchange)' in vhost '\(host)' refused for user '\(user)': his "
                + "\(operation.rawValue) pattern for the exchange does not fit it; see `cola permissions topics`"
        case .host:
            "access to vhost '\(host)' refused for user '\(user)': he has no permissions there; an administrator gives "
                + "some with `cola permissions set`"
        case .tag(.administrator):
            "refused for user '\(user)': only an administrator may do this, which is the server's own user over its "
                + "Unix socket, or one with the tag administrator (`cola users tags`)"
        case .tag(let tag):
            "refused for user '\(user)': only an administrator may do this, or one with the tag \(tag.rawValue) "
                + "(`cola users tags`)"
        }
    }
}
