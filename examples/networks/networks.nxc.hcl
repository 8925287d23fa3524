# Networks and volumes without a composition: resources, count, for_each and data.

# One entry a network. Change one, and only that network is replaced; add one,
# and only that one is created.
variable "networks" {
  type = map(string)
  default = {
    front = "10.213.1.0/24"
    back  = "10.213.2.0/24"
  }
  description = "The networks' names, and their subnets."
}

variable "disks" {
  type        = number
  default     = 2
  description = "How many volumes there are."
}

# Data is read whenever a plan is made; nothing is made or changed.
data "docker_engine" "here" {}

# for_each makes one object for each key: docker_network.lan["front"].
resource "docker_network" "lan" {
  for_each = var.networks
  name     = "example-${each.key}"
  subnet   = each.value
  internal = each.key != "front" # only the front reaches the world

  lifecycle {
    precondition {
      condition     = data.docker_engine.here.os != ""
      error_message = "The engine does not say what it runs on."
    }
  }
}

# count makes a list: docker_volume.disk[0].
resource "docker_volume" "disk" {
  count = var.disks
  name  = "example-disk${count.index}"
}

# A null_resource is nothing but its triggers: it is replaced when one of them
# changes, so that what depends on it is made again too.
resource "null_resource" "topology" {
  triggers = {
    networks = join(",", [for name, lan in docker_network.lan : "${name}=${lan.subnet}"])
    disks    = length(docker_volume.disk)
  }
}

output "engine" {
  value = "${data.docker_engine.here.name}, Docker ${data.docker_engine.here.version}"
}

output "gateways" {
  value = { for name, lan in docker_network.lan : name => lan.gateway }
}
