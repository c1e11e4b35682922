from sqlalchemy import create_engine

from swpt_client.agent import Agent
from swpt_client.transport.rabbitmq import RabbitmqTransport

engine = create_engine("postgresql+psycopg2://user@host/database")
transport = RabbitmqTransport("amqp://user:password@host/vhost", "coordinator")
agent = Agent(engine, transport, subnet=0x0000010000000000, debtor_ids=[1])
