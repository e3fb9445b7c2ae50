# A shop as its owner would write it for AWS. All that says Slipway are the provider's endpoints, and the tags.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "endpoint" { type = string }

# What the story changes.
variable "release" { default = "one" }
variable "insights" { default = "disabled" }
variable "most" { default = 4 }
variable "cpu" { default = 60 }
variable "pulse" { default = "rate(10 seconds)" }
variable "evening" { default = "cron(0 20 * * ? *)" }
variable "pictures" { default = ".jpg" }

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  max_retries                 = 2

  endpoints {
    ecs            = var.endpoint
    appautoscaling = var.endpoint
    scheduler      = var.endpoint
    events         = var.endpoint
    sqs            = var.endpoint
    logs           = var.endpoint
  }

  default_tags {
    tags = { team = "shop" }
  }
}

locals {
  role = "arn:aws:iam::000000000000:role/shop"
}

resource "aws_ecs_cluster" "shop" {
  name = "corner-shop"
  setting {
    name  = "containerInsights"
    value = var.insights
  }
}

resource "aws_ecs_cluster_capacity_providers" "shop" {
  cluster_name       = aws_ecs_cluster.shop.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
  default_capacity_provider_strategy {
    capacity_provider = "FARGATE_SPOT"
    weight            = 1
  }
}

resource "aws_sqs_queue" "orders" {
  name                       = "orders"
  visibility_timeout_seconds = 60
  tags                       = { part = "worker" }
}

resource "aws_cloudwatch_log_group" "worker" {
  name              = "/shop/worker"
  retention_in_days = 7
}

# --- a web server on the bridge, from zero by request

resource "aws_ecs_task_definition" "web" {
  family       = "shop-web"
  network_mode = "bridge"
  container_definitions = jsonencode([{
    name         = "web"
    image        = "slipway/hello:latest"
    memory       = 32
    cpu          = 32
    essential    = true
    stopTimeout  = 2
    portMappings = [{ containerPort = 8080 }]
    environment  = [{ name = "RELEASE", value = var.release }, { name = "A", value = "1" }]
    command = ["sh", "-c", join("; ", [
      "mkdir /www",
      "echo $RELEASE > /www/index.html",
      "trap 'exit 0' TERM",
      "httpd -f -p 8080 -h /www & wait",
    ])]
  }])
  tags = { part = "web" }
}

resource "aws_ecs_service" "web" {
  name                               = "web"
  cluster                            = aws_ecs_cluster.shop.id
  task_definition                    = aws_ecs_task_definition.web.arn
  launch_type                        = "EC2"
  desired_count                      = 1
  wait_for_steady_state              = true
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  tags                               = { "slipway:idle-seconds" = "300" }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  load_balancer {
    target_group_arn = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/shop/0123456789abcdef"
    container_name   = "web"
    container_port   = 8080
  }
  lifecycle { ignore_changes = [desired_count] }
}

resource "aws_appautoscaling_target" "web" {
  service_namespace  = "ecs"
  resource_id        = "service/${aws_ecs_cluster.shop.name}/${aws_ecs_service.web.name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = 0
  max_capacity       = var.most
  tags               = { "slipway:alarm:busy" = "CPUUtilization above 70 for 3" }
}

resource "aws_appautoscaling_policy" "cpu" {
  name               = "cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.web.service_namespace
  resource_id        = aws_appautoscaling_target.web.resource_id
  scalable_dimension = aws_appautoscaling_target.web.scalable_dimension
  target_tracking_scaling_policy_configuration {
    target_value       = var.cpu
    scale_in_cooldown  = 60
    scale_out_cooldown = 30
    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}

resource "aws_appautoscaling_policy" "requests" {
  name               = "requests"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.web.service_namespace
  resource_id        = aws_appautoscaling_target.web.resource_id
  scalable_dimension = aws_appautoscaling_target.web.scalable_dimension
  target_tracking_scaling_policy_configuration {
    target_value     = 100
    disable_scale_in = true
    predefined_metric_specification {
      predefined_metric_type = "ALBRequestCountPerTarget"
      resource_label         = "app/shop/0123456789abcdef/targetgroup/shop/0123456789abcdef"
    }
  }
}

resource "aws_appautoscaling_policy" "busy" {
  name               = "busy"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.web.service_namespace
  resource_id        = aws_appautoscaling_target.web.resource_id
  scalable_dimension = aws_appautoscaling_target.web.scalable_dimension
  step_scaling_policy_configuration {
    adjustment_type         = "ChangeInCapacity"
    cooldown                = 60
    metric_aggregation_type = "Average"
    step_adjustment {
      metric_interval_lower_bound = 0
      metric_interval_upper_bound = 12.5
      scaling_adjustment          = 1
    }
    step_adjustment {
      metric_interval_lower_bound = 12.5
      scaling_adjustment          = 2
    }
  }
}

resource "aws_appautoscaling_scheduled_action" "night" {
  name               = "night"
  service_namespace  = aws_appautoscaling_target.web.service_namespace
  resource_id        = aws_appautoscaling_target.web.resource_id
  scalable_dimension = aws_appautoscaling_target.web.scalable_dimension
  schedule           = "cron(0 22 * * ? *)"
  timezone           = "Europe/Berlin"
  start_time         = "2035-01-01T00:00:00Z"
  scalable_target_action {
    min_capacity = 0
    max_capacity = 1
  }
}

# --- a worker on Fargate, from zero by message

resource "aws_ecs_task_definition" "worker" {
  family                   = "shop-worker"
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = local.role
  task_role_arn            = local.role
  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }
  ephemeral_storage { size_in_gib = 30 }
  volume { name = "scratch" }
  container_definitions = jsonencode([{
    name        = "main"
    image       = "slipway/hello:latest"
    essential   = true
    stopTimeout = 2
    command     = ["sh", "-c", "trap 'exit 0' TERM; while true; do sleep 1; done"]
    mountPoints = [{ sourceVolume = "scratch", containerPath = "/scratch" }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.worker.name
        awslogs-region        = "us-east-1"
        awslogs-stream-prefix = "shop"
      }
    }
  }])
}

resource "aws_ecs_service" "worker" {
  name                  = "worker"
  cluster               = aws_ecs_cluster.shop.id
  task_definition       = aws_ecs_task_definition.worker.arn
  desired_count         = 0
  wait_for_steady_state = true
  tags                  = { "slipway:queue" = aws_sqs_queue.orders.name }

  capacity_provider_strategy {
    capacity_provider = "FARGATE"
    base              = 1
    weight            = 1
  }
  capacity_provider_strategy {
    capacity_provider = "FARGATE_SPOT"
    weight            = 4
  }
  network_configuration {
    subnets          = ["subnet-1", "subnet-2"]
    security_groups  = ["sg-1"]
    assign_public_ip = false
  }
  lifecycle { ignore_changes = [desired_count] }
}

resource "aws_appautoscaling_target" "worker" {
  service_namespace  = "ecs"
  resource_id        = "service/${aws_ecs_cluster.shop.name}/${aws_ecs_service.worker.name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = 0
  max_capacity       = 2
}

resource "aws_appautoscaling_policy" "backlog" {
  name               = "backlog"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.worker.service_namespace
  resource_id        = aws_appautoscaling_target.worker.resource_id
  scalable_dimension = aws_appautoscaling_target.worker.scalable_dimension
  target_tracking_scaling_policy_configuration {
    target_value = 10
    customized_metric_specification {
      namespace   = "AWS/SQS"
      metric_name = "ApproximateNumberOfMessagesVisible"
      statistic   = "Average"
      dimensions {
        name  = "QueueName"
        value = aws_sqs_queue.orders.name
      }
    }
  }
}

# --- a job by the clock and by events

resource "aws_ecs_task_definition" "job" {
  family                   = "shop-job"
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  cpu                      = 256
  memory                   = 512
  container_definitions = jsonencode([{
    name        = "main"
    image       = "slipway/hello:latest"
    command     = ["sh", "-c", "exit $CODE"]
    environment = [{ name = "CODE", value = "1" }]
  }])
}

resource "aws_scheduler_schedule_group" "shop" {
  name = "shop"
  tags = { part = "job" }
}

resource "aws_scheduler_schedule" "pulse" {
  name                = "pulse"
  schedule_expression = var.pulse
  flexible_time_window { mode = "OFF" }
  target {
    arn      = aws_ecs_cluster.shop.arn
    role_arn = local.role
    input = jsonencode({
      containerOverrides = [{ name = "main", environment = [{ name = "CODE", value = "3" }] }]
    })
    ecs_parameters {
      task_definition_arn = aws_ecs_task_definition.job.arn_without_revision
      launch_type         = "FARGATE"
      propagate_tags      = "TASK_DEFINITION"
      tags                = { "slipway:overlap" = "forbid" }
      network_configuration {
        subnets          = ["subnet-1"]
        assign_public_ip = true
      }
    }
    retry_policy {
      maximum_event_age_in_seconds = 600
      maximum_retry_attempts       = 3
    }
  }
}

resource "aws_scheduler_schedule" "report" {
  name                         = "report"
  group_name                   = aws_scheduler_schedule_group.shop.name
  description                  = "Each morning of a working day"
  schedule_expression          = "cron(30 6 ? * MON-FRI *)"
  schedule_expression_timezone = "Europe/Berlin"
  start_date                   = "2035-01-01T00:00:00Z"
  end_date                     = "2036-01-01T00:00:00Z"
  state                        = "DISABLED"
  flexible_time_window {
    mode                      = "FLEXIBLE"
    maximum_window_in_minutes = 15
  }
  target {
    arn      = aws_ecs_cluster.shop.arn
    role_arn = local.role
    ecs_parameters {
      task_definition_arn = aws_ecs_task_definition.job.arn
      task_count          = 2
      capacity_provider_strategy {
        capacity_provider = "FARGATE_SPOT"
        weight            = 1
      }
      network_configuration { subnets = ["subnet-1"] }
    }
    dead_letter_config { arn = aws_sqs_queue.orders.arn }
  }
}

resource "aws_scheduler_schedule" "evening" {
  name                = "evening"
  group_name          = aws_scheduler_schedule_group.shop.name
  schedule_expression = var.evening
  flexible_time_window { mode = "OFF" }
  target {
    arn      = "arn:aws:scheduler:::aws-sdk:ecs:updateService"
    role_arn = local.role
    input    = jsonencode({ Cluster = aws_ecs_cluster.shop.name, Service = aws_ecs_service.web.name, DesiredCount = 0 })
  }
}

resource "aws_cloudwatch_event_rule" "pictures" {
  name        = "pictures"
  description = "New pictures"
  event_pattern = jsonencode({
    source = ["camera"]
    detail = { key = [{ suffix = var.pictures }] }
  })
  tags = { part = "job" }
}

resource "aws_cloudwatch_event_target" "pictures" {
  rule     = aws_cloudwatch_event_rule.pictures.name
  arn      = aws_ecs_cluster.shop.arn
  role_arn = local.role
  ecs_target {
    task_definition_arn = aws_ecs_task_definition.job.arn
    launch_type         = "FARGATE"
    network_configuration { subnets = ["subnet-1"] }
    tags = { part = "job" }
  }
  input_transformer {
    input_paths    = { code = "$.detail.code" }
    input_template = <<-T
      {"containerOverrides": [{"name": "main", "environment": [{"name": "CODE", "value": "<code>"}]}]}
    T
  }
}
